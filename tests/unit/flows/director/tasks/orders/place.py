from service.tasks import task

from .prices import PRICE


@task(name="orders.place")
def place(*args, **kwargs):
    return kwargs["payload"]["product"] * PRICE
