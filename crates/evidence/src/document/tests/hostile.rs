//! Names of somebody else's making.

use crate::document::{Languages, certificate_page};
use crate::statement::Statement;

use super::certificate;

/// What would leave its place in HTML, if it could.
const HOSTILE: &str =
    "\"><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;{{7*7}}𠮷\u{202e}";

fn page(change: impl FnOnce(&mut Statement)) -> String {
    certificate_page(&certificate(change), Languages::JaEn).unwrap()
}

fn everywhere(statement: &mut Statement) {
    let predicate = &mut statement.predicate;
    let hostile = || HOSTILE.to_owned();
    predicate.certificate_id = hostile();
    predicate.issuer.organization = hostile();
    predicate.issuer.corporate_number = Some(hostile());
    predicate.issuer.worker.name = hostile();
    predicate.controller.client = hostile();
    predicate.controller.organization = Some(hostile());
    predicate.run.id = hostile();
    predicate.run.time_zone = hostile();
    predicate.evidence.evidence_key.id = hostile();
    predicate.residuals[0].place = hostile();
    predicate.residuals[0].retention = Some(hostile());
    for target in &mut predicate.targets {
        target.store.id = hostile();
        target.store.engine = hostile();
        target.object = hostile();
        target.data_categories = vec![hostile(), hostile()];
        target.rule.cluster = hostile();
        target.rule.clause.document = hostile();
        target.rule.clause.version = hostile();
        target.rule.purposes[0].name = hostile();
        target.rule.purposes[0].starting_point = hostile();
        target.rule.purposes[0].period = hostile();
        target.ended_by = [(hostile(), 1)].into_iter().collect();
        target.retained = Some([(hostile(), 1)].into_iter().collect());
    }
}

#[test]
fn hostile_names_stay_texts() {
    let hostile = page(everywhere);
    let harmless = page(|_| {});
    // Elements are those of the harmless page, and no attribute has grown out of a name.
    for mark in ["<script", "<img", "<iframe", "javascript:"] {
        assert_eq!(hostile.matches(mark).count(), 0, "{mark}");
    }
    for mark in ["<table", "<section", "<th ", "<a ", "<svg"] {
        assert_eq!(
            hostile.matches(mark).count(),
            harmless.matches(mark).count(),
            "{mark}"
        );
    }
    assert!(hostile.contains("&#60;script&#62;"));
    assert!(hostile.contains('𠮷'));
    assert!(!hostile.contains('\u{202e}'));
    assert!(!hostile.contains("49𠮷"));
}

#[test]
fn two_hundred_targets_and_a_very_long_name_make_a_page() {
    let long = "株式会社とても長い名前の".repeat(60);
    let page = page(|statement| {
        let predicate = &mut statement.predicate;
        predicate.controller.organization = Some(long.clone());
        let pattern = predicate.targets[0].clone();
        predicate.targets = (0..200)
            .map(|index| {
                let mut target = pattern.clone();
                target.index = index;
                target.object = format!("public.exam_attempt_{index}");
                target
            })
            .collect();
    });
    assert!(page.contains(&long));
    assert_eq!(page.matches("public.exam_attempt_199").count(), 2 * 2);
}
