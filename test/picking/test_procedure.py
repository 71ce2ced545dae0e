# Copyright 2026 the objectcentric_ros developers
# SPDX-License-Identifier: Apache-2.0
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Every way a pick can end, on a tray that keeps the rules."""

import pytest

from objectcentric_ros.gallery.images import decode_image
from objectcentric_ros.gallery.records import CROP_IMAGE
from objectcentric_ros.motion.protocols import MotionOutcome
from objectcentric_ros.picking.outcome import AbortSwitch, PickOutcome
from objectcentric_ros.picking.procedure import PickConfig, PickProcedure, PickReport, PickRequest

from .tray_world import TITLES, TrayWorld


def pick(world: TrayWorld, request: PickRequest | None = None, config: PickConfig | None = None,
         abort: AbortSwitch | None = None, phases: list[str] | None = None) -> PickReport:
    note = (lambda attempt, phase, message: phases.append(phase)) if phases is not None else (lambda *_: None)
    return PickProcedure(world, config).run(request or PickRequest("Rubik's cube", tuple(TITLES)), abort or AbortSwitch(), note)


def test_the_named_item_ends_in_the_bin_and_the_phases_come_in_order():
    world, phases = TrayWorld(), []
    report = pick(world, phases=phases)
    assert report.outcome is PickOutcome.PICKED
    assert world.in_bin == ["cube"]
    seen = ["look", "segment", "identify", "choose", "plan"]
    assert phases == [*seen, "plan", "approach", "close", "lift", "verify", "place", "record"]
    assert [name for name, _ in report.attempts[0].phases] == phases[:-1]
    assert all(seconds > 0 for _, seconds in report.attempts[0].phases)


def test_the_record_holds_the_whole_pick():
    world = TrayWorld()
    report = pick(world)
    (record,) = world.records
    assert (record.pick_id, record.object_id, record.outcome) == (report.pick_id, "cube", "picked")
    assert record.request == "Rubik's cube"
    assert record.finished >= record.started
    assert record.attempts[0].outcome == "picked"
    assert set(record.images) >= {"overlay_1", "grasp_1", "lift_1", "verify_1", "placed"}
    assert report.recorded


def test_a_sure_and_verified_pick_offers_the_crop_of_the_item_to_the_gallery():
    world = TrayWorld()
    pick(world)
    crop, info = decode_image(world.records[0].images[CROP_IMAGE])
    assert info.format == "png" and crop.shape[0] == crop.shape[1] >= 20
    assert (crop[crop.shape[0] // 2, crop.shape[1] // 2] == 220).all()         # the item, and grey around it
    assert (crop[0, 0] == 128).all()


@pytest.mark.parametrize("world, config", [
    (TrayWorld(looks_like={"cube": {"cube": 0.7}}), PickConfig()),
    (TrayWorld(), PickConfig(learn_probability=1.1)),
    (TrayWorld(grasp_ends=[MotionOutcome.NOTHING_GRASPED]), PickConfig(max_attempts=1)),
    (TrayWorld(slips=1), PickConfig(max_attempts=1)),
    (TrayWorld(lifts_instead=["cup"]), PickConfig(max_attempts=1))], ids=["unsure", "off", "failed", "slipped", "wrong item"])
def test_what_is_not_sure_and_verified_is_not_offered(world: TrayWorld, config: PickConfig):
    pick(world, config=config)
    assert CROP_IMAGE not in world.records[0].images


def test_a_second_look_that_got_lost_teaches_nothing():
    world, looks = TrayWorld(), []

    def lose_the_second(name: str) -> None:
        if name == "segment":
            looks.append(name)
            world.lost_images = int(len(looks) == 2)

    world.on_call = lose_the_second
    assert pick(world).outcome is PickOutcome.PICKED
    assert CROP_IMAGE not in world.records[0].images


def test_without_candidates_the_whole_gallery_is_searched():
    assert pick(TrayWorld(), PickRequest("cube")).outcome is PickOutcome.PICKED


def test_an_unknown_title_is_not_found_and_the_arm_does_not_move():
    world = TrayWorld()
    report = pick(world, PickRequest("Zeppelin"))
    assert report.outcome is PickOutcome.NOT_FOUND
    assert "Zeppelin" in report.message
    assert world.poses == []


def test_an_item_that_is_no_candidate_is_not_found():
    report = pick(TrayWorld(), PickRequest("cube", ("cup", "cap")))
    assert report.outcome is PickOutcome.NOT_FOUND
    assert "2 candidates" in report.message


def test_an_empty_tray_is_not_found_after_a_look_from_every_side():
    world = TrayWorld(items={})
    report = pick(world, config=PickConfig(max_attempts=3))
    assert report.outcome is PickOutcome.NOT_FOUND
    assert world.poses == ["look", "look_left", "look_right"]


def test_an_item_that_nothing_looks_like_is_not_identified():
    world = TrayWorld(looks_like={"cube": {"cup": 0.6, "cube": 0.3}})
    report = pick(world)
    assert report.outcome is PickOutcome.NOT_IDENTIFIED
    assert world.in_bin == []
    assert 0 < sum(attempt.cleared for attempt in report.attempts) <= PickConfig().most_cleared


def test_a_weak_identification_is_not_acted_on():
    world = TrayWorld(looks_like={"cube": {"cube": 0.29}})
    assert pick(world, config=PickConfig(min_probability=0.3, weak_probability=0.3)).outcome is PickOutcome.NOT_IDENTIFIED


def test_a_weak_identification_is_acted_on_at_a_second_look_among_named_candidates():
    weak = {"cube": {"cube": 0.29, "cup": 0.1}}
    report = pick(TrayWorld(looks_like=weak))
    assert [a.outcome for a in report.attempts] == [PickOutcome.NOT_IDENTIFIED, PickOutcome.PICKED]
    assert pick(TrayWorld(looks_like=weak), PickRequest("cube")).outcome is PickOutcome.NOT_IDENTIFIED


def test_the_most_probable_of_two_segments_is_taken():
    world = TrayWorld(looks_like={"cup": {"cube": 0.6}, "cube": {"cube": 0.8}})
    pick(world)
    assert world.in_bin == ["cube"]


def test_no_grasp_says_why():
    world = TrayWorld(no_grasp_reason="too wide: 96 mm across at the narrowest")
    report = pick(world)
    assert report.outcome is PickOutcome.NO_GRASP
    assert "96 mm" in report.message


def test_a_neighbour_that_leaves_the_hand_no_room_is_set_aside_in_the_tray():
    world, phases = TrayWorld(items={"cube": 20, "cup": 42}, blocked_by={"cube": ("cup",)}), []
    report = pick(world, phases=phases)
    assert [a.outcome for a in report.attempts] == [PickOutcome.NO_GRASP, PickOutcome.PICKED]
    assert world.in_bin == ["cube"]
    assert world.items == {"cup": 170}
    assert "clear" in phases
    assert "cleared_1" in report.evidence


def test_what_covers_an_unseen_item_is_set_aside_after_a_second_look():
    world = TrayWorld(items={"cup": 20, "cap": 42})

    def uncover(name: str) -> None:
        if name == "put_down":
            world.items["cube"] = 100

    world.on_call = uncover
    report = pick(world)
    assert [a.outcome for a in report.attempts] == [PickOutcome.NOT_IDENTIFIED, PickOutcome.NOT_IDENTIFIED, PickOutcome.PICKED]
    assert world.poses[:3] == ["look", "look_left", "look"]
    assert world.in_bin == ["cube"]


@pytest.mark.parametrize("config", [PickConfig(most_blockers=0), PickConfig(aside_score=0.95)])
def test_nothing_is_moved_when_clearing_is_off_or_no_grasp_is_sure_enough(config: PickConfig):
    world = TrayWorld(items={"cube": 20, "cup": 42}, blocked_by={"cube": ("cup",)})
    assert pick(world, config=config).outcome is PickOutcome.NO_GRASP
    assert world.items == {"cube": 20, "cup": 42}


def test_what_does_not_fit_aside_goes_back_and_the_hand_is_free_again():
    world = TrayWorld(items={"cube": 20, "cup": 42}, blocked_by={"cube": ("cup",)}, spot_is_unreachable=True)
    assert pick(world, config=PickConfig(max_attempts=1)).outcome is PickOutcome.NO_GRASP
    assert world.items == {"cube": 20, "cup": 42}
    assert world.held is None


def test_nothing_is_moved_when_the_tray_has_no_room():
    world = TrayWorld(items={"cube": 20, "cup": 42}, blocked_by={"cube": ("cup",)}, free=None)
    assert pick(world).outcome is PickOutcome.NO_GRASP
    assert world.tried == []


def test_a_neighbour_is_set_aside_before_a_grasp_that_would_hardly_hold():
    world = TrayWorld(items={"cube": 20, "cup": 42}, grasp_ends=[MotionOutcome.NOTHING_GRASPED])
    report = pick(world, config=PickConfig(clear_below=0.3))
    assert [attempt.cleared for attempt in report.attempts] == [False, True, False]
    assert report.outcome is PickOutcome.PICKED
    assert world.items == {"cup": 170}


def test_the_force_grows_with_what_did_not_hold_up_to_the_hands():
    world = TrayWorld(slips=5)
    pick(world, config=PickConfig(most_cleared=0))
    assert world.forces == pytest.approx([40.0, 50.0, 62.5, 70.0, 70.0, 70.0])


def test_the_next_grasp_is_tried_on_the_same_look_when_there_is_no_motion():
    world = TrayWorld(grasp_ends=[MotionOutcome.NO_PLAN])
    report = pick(world)
    assert report.outcome is PickOutcome.PICKED
    assert len(report.attempts) == 1
    assert [g.score for g in world.tried] == [0.9, 0.5]


def test_no_motion_for_any_grasp_is_no_plan():
    world = TrayWorld(grasp_ends=[MotionOutcome.NO_PLAN] * 20)
    assert pick(world).outcome is PickOutcome.NO_PLAN


def test_after_closing_on_nothing_another_grasp_comes_first():
    world = TrayWorld(grasp_ends=[MotionOutcome.NOTHING_GRASPED])
    report = pick(world)
    assert report.outcome is PickOutcome.PICKED
    assert [a.outcome for a in report.attempts] == [PickOutcome.GRASP_LOST, PickOutcome.PICKED]
    assert [g.score for g in world.tried] == [0.9, 0.5]


def test_an_item_that_slips_is_looked_for_again():
    world = TrayWorld(slips=1)
    report = pick(world)
    assert report.outcome is PickOutcome.PICKED
    assert [a.outcome for a in report.attempts] == [PickOutcome.GRASP_LOST, PickOutcome.PICKED]


def test_an_item_that_falls_on_the_way_to_the_bin_is_not_called_picked():
    world = TrayWorld()

    def slip_after_the_second_look(name: str) -> None:
        if name == "move_to" and world.held and world.poses[-1] == "look":
            world.slips = 1

    world.on_call = slip_after_the_second_look
    report = pick(world, PickRequest("cube", tuple(TITLES), max_attempts=1))
    assert report.outcome is PickOutcome.GRASP_LOST
    assert world.in_bin == []


def test_what_an_earlier_pick_left_in_the_hand_is_laid_into_the_tray_first():
    world = TrayWorld(items={"cube": 20, "cap": 80})
    world.held = "cup"
    report = pick(world)
    assert report.outcome is PickOutcome.PICKED
    assert world.in_bin == ["cube"]
    assert world.items == {"cap": 80, "cup": 170}


def test_a_full_hand_over_a_full_tray_ends_the_pick():
    world = TrayWorld(free=None)
    world.held = "cup"
    report = pick(world)
    assert report.outcome is PickOutcome.ABORTED
    assert "hand" in report.message


@pytest.mark.parametrize(("lost", "outcome"), [(2, PickOutcome.PICKED), (3, PickOutcome.ABORTED)])
def test_a_lost_image_is_looked_for_again_but_not_for_ever(lost: int, outcome: PickOutcome):
    assert pick(TrayWorld(lost_images=lost)).outcome is outcome


def test_retries_are_bounded():
    world = TrayWorld(slips=99)
    report = pick(world, PickRequest("cube", tuple(TITLES), max_attempts=2))
    assert report.outcome is PickOutcome.GRASP_LOST
    assert len(report.attempts) == 2
    assert "2 attempts" in report.message


def test_a_neighbour_in_the_hand_is_put_back_and_the_item_picked():
    world = TrayWorld(lifts_instead=["cup"])
    report = pick(world)
    assert [a.outcome for a in report.attempts] == [PickOutcome.WRONG_ITEM, PickOutcome.PICKED]
    assert world.in_bin == ["cube"]
    assert "cup" in world.items


def test_an_item_that_was_only_shoved_is_not_taken_for_picked():
    # What lay under the cube is in the hand; the cube moved by 12 of its 20 px and looks a little less like itself.
    world = TrayWorld(items={"cube": 20, "cup": 80, "cap": 140}, lifts_instead=["cup"])

    def shove(name: str) -> None:
        if name == "lift" and world.items["cube"] == 20:
            world.items["cube"] = 32
            world.looks_like["cube"] = {"cube": 0.8}

    world.on_call = shove
    report = pick(world)
    assert report.attempts[0].outcome is PickOutcome.WRONG_ITEM
    assert "seen where it was" in report.attempts[0].message
    assert world.in_bin == ["cube"]


def test_an_item_that_creeps_out_of_the_fingers_is_put_back_before_it_falls():
    world = TrayWorld(creeps=[0.0018])
    report = pick(world)
    assert [a.outcome for a in report.attempts] == [PickOutcome.GRASP_LOST, PickOutcome.PICKED]
    assert "1.8 mm nearer" in report.attempts[0].message
    assert world.in_bin == ["cube"]


def test_fingers_that_settle_a_little_hold():
    assert len(pick(TrayWorld(creeps=[0.0005])).attempts) == 1


def test_a_second_item_in_the_hand_is_put_back_with_the_first():
    world = TrayWorld(drags_along=["cup"])
    report = pick(world)
    assert [a.outcome for a in report.attempts] == [PickOutcome.WRONG_ITEM, PickOutcome.PICKED]
    assert "'cup' is gone" in report.attempts[0].message
    assert world.in_bin == ["cube"]


@pytest.mark.parametrize(("unreachable", "column"), [(False, 170), (True, 20)])
def test_a_wrong_item_goes_where_there_is_room_or_else_back(unreachable: bool, column: int):
    world = TrayWorld(lifts_instead=["cup"], spot_is_unreachable=unreachable)
    report = pick(world)
    assert [a.outcome for a in report.attempts] == [PickOutcome.WRONG_ITEM, PickOutcome.PICKED]
    assert world.items["cup"] == column


def test_a_wrong_item_that_goes_nowhere_ends_the_pick_with_it_in_the_hand():
    world = TrayWorld(lifts_instead=["cup"], own_place_is_unreachable=True, spot_is_unreachable=True)
    report = pick(world)
    assert report.outcome is PickOutcome.WRONG_ITEM
    assert "could not be put down" in report.message
    assert world.held == "cup"


def test_the_wrong_item_every_time_is_wrong_item():
    world = TrayWorld(lifts_instead=["cup"] * 20)
    assert pick(world).outcome is PickOutcome.WRONG_ITEM
    assert world.in_bin == []


def test_a_better_match_left_in_the_tray_means_the_wrong_item_was_taken():
    # The cup was mistaken for the cube, which was hidden at first and now shows.
    world = TrayWorld(items={"cup": 20, "cap": 80}, looks_like={"cup": {"cube": 0.5}})
    world.on_call = lambda name: world.items.setdefault("cube", 140) if name == "lift" else None
    report = pick(world)
    assert report.attempts[0].outcome is PickOutcome.WRONG_ITEM
    assert report.outcome is PickOutcome.PICKED
    assert world.in_bin == ["cube"]


@pytest.mark.parametrize(
    "phase", ["resolve", "move_to", "segment", "identify", "plan_grasps", "plan", "approach", "close", "lift"])
@pytest.mark.parametrize("outcome", [PickOutcome.ABORTED, PickOutcome.NODE_LOST, PickOutcome.TIMEOUT])
def test_the_switch_ends_the_pick_in_any_phase_with_the_arm_at_rest(phase: str, outcome: PickOutcome):
    world, abort = TrayWorld(), AbortSwitch()
    world.on_call = lambda name: abort.trigger(outcome, "enough") if name == phase else None
    report = pick(world, abort=abort)
    assert report.outcome is outcome
    assert report.message.startswith("enough")
    assert world.stopped == 1
    assert world.in_bin == []
    assert [record.outcome for record in world.records] == [outcome.label]


def test_the_first_reason_to_end_wins():
    world, abort = TrayWorld(), AbortSwitch()
    abort.trigger(PickOutcome.TIMEOUT, "time is up")
    abort.trigger(PickOutcome.ABORTED, "cancelled")
    assert pick(world, abort=abort).outcome is PickOutcome.TIMEOUT


def test_a_history_that_cannot_be_written_does_not_hide_the_outcome():
    report = pick(TrayWorld(record_fails=True))
    assert report.outcome is PickOutcome.PICKED
    assert not report.recorded
    assert "history" in report.message


def test_the_force_follows_the_mass():
    # 2 kg between two fingers at friction 0.4, twice over: 2 * 2 * 9.81 / 0.8 = 49.05 N; 0.1 kg needs less than the least force.
    world = TrayWorld()
    pick(world, PickRequest("cap"))
    pick(world, PickRequest("cube"))
    pick(world, PickRequest("cup"))
    assert world.forces == pytest.approx([49.05, 40.0, 40.0])
