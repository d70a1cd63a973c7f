from service.tasks import task


@task(name="EXTRACT")
def extract(*args, **kwargs):
    pass


@task(name="TRANSFORM", rate_limit="10/m")
def transform(*args, **kwargs):
    pass


@task(name="LOAD", autoretry_for=(OSError,), max_retries=3)
def load(*args, **kwargs):
    pass


@task(bind=True, name="BOUND_TASK")
def bound_task(self, *args, **kwargs):
    return self.name


@task(name="HOOK_OK")
def hook_ok(*args, **kwargs):
    pass


@task(name="HOOK_KO")
def hook_ko(*args, **kwargs):
    pass
