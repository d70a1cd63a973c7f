import time

try:
    from director import task
except ImportError:
    from service.tasks import task


@task(name="EXTRACT")
def extract(*args, **kwargs):
    pass


@task(name="TRANSFORM")
def transform(*args, **kwargs):
    return {"rows": 3, "names": ["é", None, True, 1.5]}


@task(name="LOAD")
def load(*args, **kwargs):
    return args[0]


@task(name="RANDOM")
def random(*args, **kwargs):
    return 4


@task(name="ADD")
def add(*args, **kwargs):
    return sum(args[0])


@task(name="BOOM")
def boom(*args, **kwargs):
    raise ValueError("boom went the täsk")


@task(name="HUSH")
def hush(*args, **kwargs):
    raise RuntimeError


@task(name="ECHO")
def echo(*args, **kwargs):
    return kwargs["payload"]


@task(name="SLOW")
def slow(*args, **kwargs):
    time.sleep(kwargs["payload"].get("sleep", 1))


@task(name="HOOK_OK")
def hook_ok(*args, **kwargs):
    return "well"


@task(name="HOOK_KO")
def hook_ko(*args, **kwargs):
    return "badly"
