//! What stands on a sheet and in a page, and what must not.

mod form;
mod hostile;
mod pages;
mod receipts;
mod words;

use crate::dsse;
use crate::sample;
use crate::statement::{MethodClass, Statement, Status, Unverifiable, VerificationResult};

use super::{Block, Certificate, Language, Medium, Section, Sheet};

/// The sample certificate, changed and signed again.
fn certificate(change: impl FnOnce(&mut Statement)) -> Certificate {
    let mut statement = sample::statement(&sample::leaves());
    change(&mut statement);
    // Longer than a log entry may be: sheets must not break then either.
    let payload = serde_json::to_vec(&statement).unwrap();
    let key = sample::signing_key();
    let envelope = dsse::sign(&payload, &key).unwrap();
    Certificate::read(&envelope, &[key.verifying_key()]).unwrap()
}

fn sheet(change: impl FnOnce(&mut Statement), language: Language) -> Sheet {
    certificate(change).sheet(language, Medium::Html)
}

fn section<'s>(sheet: &'s Sheet, heading: &str) -> &'s Section {
    let mut sections = sheet.sections.iter();
    sections
        .find(|section| section.heading == heading)
        .unwrap_or_else(|| panic!("no section `{heading}`"))
}

/// The rows of the first table of a section.
fn rows(section: &Section) -> Vec<&[String]> {
    let table = section.blocks.iter().find_map(|block| match block {
        Block::Table(table) => Some(table),
        Block::Text(_)
        | Block::Points(_)
        | Block::Steps(_)
        | Block::Facts(_)
        | Block::Commands(_) => None,
    });
    let rows = &table.unwrap().rows;
    rows.iter().map(|row| row.cells.as_slice()).collect()
}

#[test]
fn a_certificate_with_an_altered_byte_or_another_key_is_no_certificate() {
    let key = sample::signing_key();
    let whole = certificate(|_| {}).envelope().to_vec();
    for byte in [40, whole.len() / 2, whole.len() - 20] {
        let mut altered = whole.clone();
        altered[byte] ^= 1;
        assert!(Certificate::read(&altered, &[key.verifying_key()]).is_err());
    }
    let other = ed25519_dalek::SigningKey::from_bytes(&[2; 32]);
    for keys in [&[][..], &[other.verifying_key()]] {
        let error = Certificate::read(&whole, keys).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the signature of the certificate does not hold: no signature in the envelope holds under a key that was given"
        );
    }
}

#[test]
fn what_was_only_pseudonymized_is_never_called_deleted() {
    let titles = |keep: fn(MethodClass) -> bool| {
        let keep = |statement: &mut Statement| {
            let targets = &mut statement.predicate.targets;
            targets.retain(|target| keep(target.method.class));
        };
        (
            sheet(keep, Language::Ja).title,
            sheet(keep, Language::En).title,
        )
    };
    assert_eq!(
        titles(|_| true),
        (
            "データ削除・仮名加工証明書",
            "Certificate of Data Deletion and Pseudonymization"
        )
    );
    assert_eq!(
        titles(|class| class == MethodClass::Pseudonymize),
        ("仮名加工証明書", "Certificate of Pseudonymization")
    );
    assert_eq!(
        titles(|class| class == MethodClass::LogicalDelete),
        ("データ削除証明書", "Certificate of Data Deletion")
    );
}

#[test]
fn pseudonymized_data_is_said_to_stay_personal_data() {
    let sheet = sheet(|_| {}, Language::Ja);
    assert!(sheet.warnings[0].text.contains("引き続き個人データ"));
    let only_deleted = self::sheet(
        |statement| {
            statement.predicate.targets.pop();
        },
        Language::Ja,
    );
    assert!(only_deleted.warnings.is_empty());
}

#[test]
fn a_partial_certificate_says_so_before_anything_else() {
    let partial = |statement: &mut Statement| statement.predicate.status = Status::Partial;
    for (language, title) in [(Language::Ja, "一部未了"), (Language::En, "Partial")] {
        let sheet = sheet(partial, language);
        assert_eq!(sheet.warnings[0].title, title);
        assert!(sheet.warnings[0].is_alarm);
    }
}

#[test]
fn every_action_has_its_row_and_its_sum() {
    let sheet = sheet(|_| {}, Language::Ja);
    let found: Vec<(&str, &str, &str)> = rows(section(&sheet, "対象データと件数"))
        .into_iter()
        .map(|cells| (cells[0].as_str(), cells[3].as_str(), cells[6].as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("0", "消去（行）", "30"),
            ("0", "処理前から不存在", "5"),
            ("1", "仮名加工", "10"),
            ("", "消去（行）", "30"),
            ("", "仮名加工", "10"),
            ("", "処理前から不存在", "5"),
        ]
    );
}

#[test]
fn a_target_without_any_record_says_zero() {
    let sheet = sheet(
        |statement| {
            statement.predicate.targets.truncate(1);
            statement.predicate.targets[0].counts = Default::default();
        },
        Language::Ja,
    );
    let found = rows(section(&sheet, "対象データと件数"));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0][6], "0");
}

#[test]
fn reasons_are_counted_by_the_purpose_that_ended_and_by_the_reason_for_keeping() {
    let sheet = sheet(|_| {}, Language::En);
    let found = rows(section(&sheet, "Numbers by reason"));
    assert_eq!(found[0], ["0", "purpose that ended last: course", "30"]);
    assert_eq!(found[1], ["0", "kept: retention period goes on", "9"]);
}

#[test]
fn copies_that_remain_are_listed_with_the_day_on_which_they_expire() {
    let with = sheet(|_| {}, Language::Ja);
    let heading = "残存する複製（バックアップ等）とその消滅期限";
    assert_eq!(
        rows(section(&with, heading)),
        [["データベースのバックアップ", "35日", "2026年12月27日"]]
    );
    let without = sheet(
        |statement| statement.predicate.residuals.clear(),
        Language::Ja,
    );
    let Block::Text(text) = &section(&without, heading).blocks[0] else {
        panic!("a list that is empty");
    };
    assert!(text.contains("証明するものではありません"));
}

#[test]
fn a_rule_that_several_targets_share_stands_there_once() {
    let sheet = sheet(|_| {}, Language::Ja);
    let bases = section(&sheet, "根拠条項と保存期間");
    assert_eq!(bases.blocks.len(), 2);
    assert_eq!(
        rows(bases),
        [[
            "R1",
            "course",
            "取引・受講の終了の日",
            "1年",
            "2025年11月22日"
        ]]
    );
}

#[test]
fn stages_of_one_job_name_their_clause_once_and_their_purposes_each() {
    let sheet = sheet(
        |statement| {
            let purposes = &mut statement.predicate.targets[1].rule.purposes;
            purposes[0].name = "statistics".to_owned();
        },
        Language::En,
    );
    let bases = section(&sheet, "Clauses and retention periods");
    assert_eq!(bases.blocks.len(), 2);
    let found: Vec<(&str, &str)> = rows(bases)
        .into_iter()
        .map(|cells| (cells[0].as_str(), cells[1].as_str()))
        .collect();
    assert_eq!(found, [("R1", "course"), ("R2", "statistics")]);
    let targets = rows(section(&sheet, "Data and numbers of records"));
    assert_eq!(
        (targets[0][5].as_str(), targets[2][5].as_str()),
        ("R1", "R2")
    );
}

#[test]
fn where_no_check_took_place_one_sentence_says_so() {
    let sheet = sheet(
        |statement| {
            for target in &mut statement.predicate.targets {
                target.verification = None;
            }
        },
        Language::Ja,
    );
    let Block::Text(text) = &section(&sheet, "処理後の確認").blocks[0] else {
        panic!("a table without a check");
    };
    assert!(text.contains("行われていません"));
}

#[test]
fn a_check_that_did_not_take_place_is_not_claimed() {
    let sheet = sheet(
        |statement| statement.predicate.targets[0].verification = None,
        Language::Ja,
    );
    let found = rows(section(&sheet, "処理後の確認"));
    assert_eq!(found[0][2..], ["未実施", "—", "—", "—", "—"]);
    let at = "2026年11月22日 10:02:05（UTC+09:00）";
    assert_eq!(found[1][2..], ["全件の再照会", "残存なし", at, "17", "0"]);
}

#[test]
fn of_a_store_that_could_not_be_asked_no_number_is_claimed() {
    let sheet = sheet(
        |statement| {
            let target = &mut statement.predicate.targets[0];
            if let Some(verification) = &mut target.verification {
                verification.checked = 0;
                verification.result = VerificationResult::Unverifiable;
                verification.reason = Some(Unverifiable::StoreUnavailable);
            }
        },
        Language::Ja,
    );
    let found = rows(section(&sheet, "処理後の確認"));
    assert_eq!(found[0][3], "確認不能\n保存先が応答せず");
    assert_eq!(found[0][5..], ["—", "—"]);
}
