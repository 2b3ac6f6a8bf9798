use std::thread;

use indicatif::InMemoryTerm;

use super::*;

fn terminal() -> (InMemoryTerm, Progress) {
    let terminal = InMemoryTerm::new(10, 100);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
    (terminal, Progress::drawn_on(target))
}

/// Waits for the bar's own redrawing thread.
fn shows(terminal: &InMemoryTerm, text: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if terminal.contents().contains(text) {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

#[test]
fn the_template_is_one_that_indicatif_takes() {
    assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
}

#[test]
fn a_terminal_shows_label_count_rate_and_time_left() {
    let (terminal, progress) = terminal();

    progress.start(12_000, "learner/delete");
    assert!(terminal.contents().starts_with("learner/delete "));
    assert!(terminal.contents().contains("0/12,000"));
    progress.advance(3_000);

    assert!(shows(&terminal, "3,000/12,000"));
    assert!(shows(&terminal, "/s ETA "));
}

#[test]
fn the_end_of_a_stage_leaves_one_line_in_place_of_the_bar() {
    let (terminal, progress) = terminal();
    progress.start(12_000, "learner/delete");
    progress.advance(12_000);

    progress.finish();

    let contents = terminal.contents();
    assert!(
        contents.starts_with("learner/delete: 12,000 of 12,000 in "),
        "{contents}"
    );
    assert_eq!(contents.lines().count(), 1, "{contents}");
}

#[test]
fn a_step_that_takes_no_time_shows_its_bar_and_leaves_no_line() {
    let (terminal, progress) = terminal();
    progress.step(40, "sealing");
    assert!(terminal.contents().contains("0/40"));

    progress.finish();

    assert_eq!(terminal.contents(), "");
}

#[test]
fn a_step_that_took_a_second_leaves_a_line() {
    let (terminal, progress) = terminal();
    progress.begin(40, "sealing", Duration::from_nanos(1));
    progress.advance(40);

    progress.finish();

    let contents = terminal.contents();
    assert!(contents.starts_with("sealing: 40 of 40"), "{contents}");
}

#[test]
fn stages_follow_one_another_and_a_second_end_changes_nothing() {
    let (terminal, progress) = terminal();
    progress.start(2, "exam-history/pseudonymize");
    progress.advance(2);
    progress.start(1, "exam-history/delete");
    progress.advance(1);

    progress.finish();
    progress.finish();
    progress.advance(1);

    let contents = terminal.contents();
    let lines: Vec<&str> = contents.lines().collect();
    assert_eq!(lines.len(), 2, "{contents}");
    assert!(
        lines[0].starts_with("exam-history/pseudonymize: 2 of 2"),
        "{contents}"
    );
    assert!(
        lines[1].starts_with("exam-history/delete: 1 of 1"),
        "{contents}"
    );
}

#[test]
fn the_bar_is_hidden_while_something_is_written_above_it() {
    let (terminal, progress) = terminal();
    progress.start(12_000, "learner/delete");

    let meanwhile = progress.above(|| terminal.contents());

    assert_eq!(meanwhile, "");
    assert!(shows(&terminal, "learner/delete"));
}

#[test]
fn a_stage_that_is_dropped_leaves_no_bar() {
    let (terminal, progress) = terminal();
    let log = LogWriter::above(&progress);
    progress.start(12_000, "learner/delete");

    drop(progress);

    assert_eq!(terminal.contents(), "");
    drop(log);
}

#[test]
fn threads_count_together() {
    let (terminal, progress) = terminal();
    progress.start(4_000, "learner/delete");

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| progress.advance(1)));
        }
    });
    progress.finish();

    assert!(terminal.contents().contains("4,000 of 4,000"));
}
