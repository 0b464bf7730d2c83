from infra.services import Command, Service
from infra.watch import Memory, silent


def service(name: str, *needs: str) -> Service:
    return Service(name, lambda _: Command([], None), lambda _: None, needs=needs, patience_seconds=60)  # type: ignore[arg-type]


SERVICES = {"database": service("database"), "scheduler": service("scheduler", "database")}
OLD = {"database": 1000.0, "scheduler": 1000.0}


def test_a_service_that_is_silent_for_its_patience_is_started_again_once() -> None:
    memory = Memory()
    answers = {"database": True, "scheduler": False}
    looks = [silent(SERVICES, OLD, answers, memory, now) for now in (0.0, 30.0, 59.0, 60.0, 70.0)]
    assert looks == [[], [], [], ["scheduler"], []]


def test_one_answer_ends_a_silence() -> None:
    memory = Memory()
    for now, answer in ((0.0, False), (50.0, True), (55.0, False), (100.0, False)):
        assert silent(SERVICES, OLD, {"database": True, "scheduler": answer}, memory, now) == []


def test_a_service_is_not_blamed_for_the_silence_of_what_it_needs() -> None:
    memory = Memory()
    answers = {"database": False, "scheduler": False}
    looks = [silent(SERVICES, OLD, answers, memory, now) for now in (0.0, 100.0)]
    assert looks == [[], ["database"]]


def test_a_service_that_just_started_may_take_its_time() -> None:
    memory = Memory()
    young = {"database": 1000.0, "scheduler": 100.0}
    answers = {"database": True, "scheduler": False}
    assert [silent(SERVICES, young, answers, memory, now) for now in (0.0, 100.0)] == [[], []]


def test_one_that_has_answered_since_it_started_is_not_starting_any_more() -> None:
    memory = Memory()
    looks = []
    for now, answer in ((0.0, False), (10.0, True), (20.0, False), (80.0, False), (90.0, False)):
        ages = {"database": 1000.0, "scheduler": 5.0 + now}
        looks.append(silent(SERVICES, ages, {"database": True, "scheduler": answer}, memory, now))
    assert looks == [[], [], [], ["scheduler"], []]
    reborn = {"database": 1000.0, "scheduler": 5.0}  # what it answered before it was started again does not count
    assert silent(SERVICES, reborn, {"database": True, "scheduler": False}, memory, 100.0) == []
    assert memory.silence_began == {}
