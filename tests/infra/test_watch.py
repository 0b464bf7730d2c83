from infra.services import Command, Service
from infra.watch import silent


def service(name: str, *needs: str) -> Service:
    return Service(name, lambda _: Command([], None), lambda _: None, needs=needs, patience_seconds=60)  # type: ignore[arg-type]


SERVICES = {"database": service("database"), "scheduler": service("scheduler", "database")}
OLD = {"database": 1000.0, "scheduler": 1000.0}


def test_a_service_that_is_silent_for_its_patience_is_started_again_once() -> None:
    began: dict[str, float] = {}
    answers = {"database": True, "scheduler": False}
    looks = [silent(SERVICES, OLD, answers, began, now) for now in (0.0, 30.0, 59.0, 60.0, 70.0)]
    assert looks == [[], [], [], ["scheduler"], []]


def test_one_answer_ends_a_silence() -> None:
    began: dict[str, float] = {}
    for now, answer in ((0.0, False), (50.0, True), (55.0, False), (100.0, False)):
        assert silent(SERVICES, OLD, {"database": True, "scheduler": answer}, began, now) == []


def test_a_service_is_not_blamed_for_the_silence_of_what_it_needs() -> None:
    began: dict[str, float] = {}
    answers = {"database": False, "scheduler": False}
    looks = [silent(SERVICES, OLD, answers, began, now) for now in (0.0, 100.0)]
    assert looks == [[], ["database"]]


def test_a_service_that_just_started_may_take_its_time() -> None:
    began: dict[str, float] = {}
    young = {"database": 1000.0, "scheduler": 100.0}
    answers = {"database": True, "scheduler": False}
    assert [silent(SERVICES, young, answers, began, now) for now in (0.0, 100.0)] == [[], []]
