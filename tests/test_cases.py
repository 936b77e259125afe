"""Every input after a public report is in a test with the right value: which one, by the input's name."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
INPUTS = TESTS / "data/cases/usd"
_CASES, _KINDS = "engine/test_usd_cases.py", "engine/test_usd_kinds.py"
_KEPT = f"{_CASES}::test_kept_samples_and_poses_are_the_source_s_to_the_last_bit"
_IGNORED = f"{_CASES}::test_what_usd_ignores_or_cannot_turn_by_is_not_filled"
_ERROR = f"{_CASES}::test_what_usd_ignores_is_an_error_of_check"
_NO_FINDING = f"{_CASES}::test_what_usd_merges_or_blocks_is_no_finding"

STAGES: dict[str, tuple[str, ...]] = {
    "api_not_applied": (_IGNORED, _ERROR),
    "array_edit": (_KEPT, _NO_FINDING),
    "baked_channel": (_KEPT, _NO_FINDING, f"{_CASES}::test_dense_channel_stays_and_the_keyed_one_is_filled"),
    "check_passes_ignored_sparse_animation": (_IGNORED, _ERROR),
    "check_passes_invalid_joint_order": (_IGNORED, _ERROR),
    "check_passes_singular_bind": (_ERROR,),
    "joint_names": (_KEPT, _ERROR, f"{_CASES}::test_nothing_is_said_by_usd_itself"),
    "late_refusal": (
        f"{_CASES}::test_a_skeleton_that_cannot_be_written_does_not_lose_the_others",
        f"{_CASES}::test_what_author_options_decide_is_said_when_planning",
        f"{_CASES}::test_any_name_of_a_stage_gives_a_result_that_opens",
    ),
    "late_refusal_of_variant": (f"{_CASES}::test_what_author_options_decide_is_said_when_planning",),
    "missing_api_wrong_reason": (_IGNORED, _ERROR),
    "quat_three_digits": (_KEPT, f"{_CASES}::test_blocked_rotations_stay_blocked_and_are_not_filled_across"),
    "quaternion_shown_in_other_order": (_IGNORED,),
    "rest_not_affine": (_KEPT, f"{_CASES}::test_joints_left_to_rest_stay_so"),
    "rest_scale_half": (_KEPT, f"{_CASES}::test_joints_left_to_rest_stay_so"),
    "shared_animation": (_KEPT, f"{_CASES}::test_skeletons_of_one_animation_go_on_sharing_one"),
    "stepped_keys": (_KEPT, f"{_CASES}::test_steps_are_filled_from_pose_to_pose"),
    "unmapped_joint": (_KEPT, f"{_CASES}::test_a_joint_that_is_not_in_the_skeleton_moves_nothing"),
    "visibility": (_KEPT, f"{_CASES}::test_what_is_drawn_is_the_mesh_that_is_seen_at_each_time"),
    "weights_block": (_KEPT, _NO_FINDING, f"{_CASES}::test_blocks_among_weights_stay_blocks"),
    "wrong_type_read_as_if_it_counted": (_IGNORED, _ERROR),
}
MADE: dict[str, tuple[str, ...]] = {
    "a jump of value clips": (f"{_CASES}::test_sample_before_a_jump_of_value_clips_is_no_key",),
    "a folder named through a link": (
        "engine/runs/test_places.py::test_a_result_made_through_a_link_opens_by_every_name",
    ),
}
"""Stages that a test builds."""
FAULTS: dict[str, tuple[str, ...]] = {
    "01 source saved before it is hashed": (
        "engine/planning/test_source.py::test_source_saved_between_opening_and_hashing_is_hashed_and_read_anew",
        "engine/planning/test_source.py::test_source_saved_while_it_is_planned_is_noticed",
        "engine/planning/test_source.py::test_saved_source_ends_the_run_and_leaves_the_earlier_result",
    ),
    "02 a user's files in the folder": (
        "engine/files/test_owned_folder.py::test_folder_with_files_of_others_is_refused_and_stays_as_it_is",
        "engine/files/test_owned_folder.py::test_files_that_come_later_stay",
    ),
    "03 the given shot list": (
        "engine/files/test_owned_folder.py::test_given_shot_list_is_never_written_to",
    ),
    "04 takes at once": (
        "engine/runs/test_takes.py::test_takes_and_gaps_chosen_at_once_by_several_processes_are_whole",
    ),
    "05 damaged and older run folders": (
        "engine/runs/test_registry.py::test_a_damaged_state_hides_no_other_run",
        "engine/runs/test_registry.py::test_a_damaged_log_is_read_past",
        "engine/runs/test_registry.py::test_pipes_and_folders_in_place_of_files_hold_up_nobody",
        "engine/runs/test_registry.py::test_a_report_of_another_version_is_one_sentence",
    ),
    "06 a host that is gone": (
        "engine/runs/test_registry.py::test_of_a_host_that_is_gone_it_is_said_since_when",
        "engine/runs/test_registry.py::test_a_run_on_a_host_that_is_gone_can_be_ended_and_cleaned",
    ),
    "07 an empty texture, a bind transform that is no number": (
        "usd_io/read/test_character.py::test_an_empty_texture_and_a_pipe_are_no_pictures",
        "usd_io/read/test_character.py::test_a_mesh_whose_bind_transform_is_no_number_is_left_out_with_a_warning",
    ),
    "08 streams, terminals, folders that are gone": (
        "anymole_tui/cli/test_streams.py::test_a_run_ends_well_whoever_hears_of_it",
        "anymole_tui/cli/test_streams.py::test_an_answer_that_cannot_be_written_is_one_sentence",
        "anymole_tui/cli/test_streams.py::test_a_terminal_without_the_letters_shows_escapes",
        "anymole_tui/cli/test_streams.py::test_a_current_folder_that_is_gone_is_one_sentence",
        "engine/files/test_atomic.py::test_a_link_is_replaced_and_not_followed",
    ),
    "09 checkpoints behind a link": (
        "engine/files/test_owned_folder.py::test_checkpoints_may_be_a_link_and_what_lies_behind_it_stays",
    ),
    "10 a film of variable rate": (
        "engine/files/test_video_file.py::test_times_of_an_uneven_film_are_those_of_its_frames",
        "engine/files/test_video_file.py::test_an_edit_list_leaves_out_frames_and_their_times",
        "engine/files/test_video_file.py::test_a_rotated_film_is_turned_as_a_player_turns_it",
    ),
    "11 a second stage into a used folder": (
        "engine/files/test_owned_folder.py::test_second_stage_is_refused_and_a_moved_one_is_not",
    ),
    "12 a new run that fails over a good result": (
        "engine/planning/test_source.py::test_saved_source_ends_the_run_and_leaves_the_earlier_result",
    ),
    "13 huge losses": (
        "anymole_tui/tui/test_watch.py::test_losses_near_the_largest_number_are_drawn",
        "anymole_tui/tui/test_plots.py::test_values_near_the_largest_are_drawn",
    ),
}


def test_every_input_is_named() -> None:
    assert {path.stem for path in INPUTS.glob("*.usda")} == set(STAGES)


@pytest.mark.parametrize(
    ("name", "tests"),
    [*STAGES.items(), *MADE.items(), *FAULTS.items()],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_every_named_test_is_there_and_reads_its_input(name: str, tests: tuple[str, ...]) -> None:
    for test in tests:
        module, function = test.split("::")
        text = (TESTS / module).read_text()
        assert any(
            isinstance(node, ast.FunctionDef) and node.name == function for node in ast.walk(ast.parse(text))
        ), test
    if name in STAGES and name != "late_refusal":
        assert any(f'"{name}' in (TESTS / test.split("::")[0]).read_text() for test in tests)
