//! Disclosure requests (開示等の請求) with their documents and the scans of these.

use jiff::civil::Date;

use super::days::{days_before, near_border};
use super::layout::Row;
use super::learners::Relationship;
use super::person::Person;
use super::random::{Random, Stream};
use super::scan;

/// Months of the period in `jobs/request-documents.toml` that runs from the reply.
const REPLY_MONTHS: i32 = 24;

/// How far back the requests go, in days.
const REQUEST_DAYS: u32 = 5 * 365;

const KINDS: [&str; 4] = ["開示", "訂正", "利用停止", "第三者提供記録の開示"];
const CHANNELS: [&str; 3] = ["郵送", "窓口", "ウェブ"];
const IDENTITY_PAPERS: [&str; 4] = ["運転免許証", "住民票", "在留カード", "健康保険証"];

/// One of this many documents has lost its scan before kigen came.
const SCAN_LOST_EVERY: u64 = 97;

/// What a request's row and its documents share.
struct Request {
    request_id: String,
    received_on: Date,
    replied_on: Option<Date>,
    /// Goes on where the request's own values end.
    random: Random,
}

impl Request {
    fn of(number: u64, as_of: Date) -> Self {
        let mut random = Random::of(Stream::Request, number);
        let request_id = random.uuid();
        let (received_on, replied_on) = request_days(&mut random, as_of);
        Self {
            request_id,
            received_on,
            replied_on,
            random,
        }
    }
}

/// The row of request `number`, about one of `learners`.
pub(super) fn request_row(number: u64, learners: u64, as_of: Date) -> Row {
    let Request {
        request_id,
        received_on,
        replied_on,
        mut random,
    } = Request::of(number, as_of);
    let bound = u32::try_from(learners).unwrap_or(u32::MAX);
    let learner_id = u64::from(random.below(bound)) + 1;
    let person = Person::of(learner_id, as_of);
    vec![
        request_id.into(),
        learner_id.cast_signed().into(),
        Relationship::of(learner_id, as_of).client_id.into(),
        random.pick(&KINDS).into(),
        received_on.to_string().into(),
        replied_on.map(|day| day.to_string()).into(),
        person.full_name().into(),
        person.address.into(),
        random.pick(&CHANNELS).into(),
    ]
}

/// When the request came and when it was answered.
fn request_days(random: &mut Random, as_of: Date) -> (Date, Option<Date>) {
    if random.happens(80) {
        let replied_on = near_border(random, as_of, REPLY_MONTHS);
        return (
            days_before(replied_on, random.between(3, 25)),
            Some(replied_on),
        );
    }
    let age_days = 1 + random.below_mostly_small(REQUEST_DAYS);
    let received_on = days_before(as_of, age_days.cast_signed());
    let replied_on = days_before(received_on, -random.between(3, 25));
    if random.happens(10) {
        // A reply that is announced for a later day.
        return (
            received_on,
            Some(days_before(as_of, -random.between(1, 14))),
        );
    }
    let open = replied_on > as_of || random.happens(30);
    (received_on, (!open).then_some(replied_on))
}

/// How many documents request `number` has: one, and a second one for every other request.
pub(super) fn document_count(number: u64) -> u64 {
    if number.is_multiple_of(2) { 2 } else { 1 }
}

/// One document of a request, with what the object store holds of it.
struct Document {
    row: Row,
    object_key: String,
    /// Oldest first: a second scan under the same key is a new version.
    scans: Vec<Vec<u8>>,
}

impl Document {
    /// Makes document `index` (0 or 1) of request `number`.
    fn of(number: u64, index: u64, as_of: Date) -> Self {
        let Request {
            request_id,
            received_on,
            ..
        } = Request::of(number, as_of);
        let mut random = Random::of(Stream::Document, (number << 1) | index);
        let document_id = random.uuid();
        let is_paper = index == 0;
        let (kind, ending) = if is_paper {
            (random.pick(&IDENTITY_PAPERS), "png")
        } else {
            ("委任状", "pdf")
        };
        let object_key = format!(
            "requests/{}/{request_id}/{document_id}.{ending}",
            received_on.year()
        );
        let versions = if random.happens(150) { 2 } else { 1 };
        let is_lost = (number * 2 + index) % SCAN_LOST_EVERY == SCAN_LOST_EVERY - 1;
        let scans = (1..=versions)
            .filter(|_| !is_lost)
            .map(|version| {
                let text = format!("generated sample: {document_id}, scan {version}");
                if is_paper {
                    scan::png(&text)
                } else {
                    scan::pdf(&text)
                }
            })
            .collect();
        let row = vec![
            document_id.into(),
            request_id.into(),
            kind.into(),
            object_key.clone().into(),
        ];
        Self {
            row,
            object_key,
            scans,
        }
    }
}

/// The documents' rows of request `number`.
pub(super) fn document_rows(number: u64, as_of: Date) -> Vec<Row> {
    (0..document_count(number))
        .map(|index| Document::of(number, index, as_of).row)
        .collect()
}

/// The scans of request `number`: object key and bytes, older versions of a key first.
pub(super) fn scans_of(number: u64, as_of: Date) -> Vec<(String, Vec<u8>)> {
    (0..document_count(number))
        .map(|index| Document::of(number, index, as_of))
        .flat_map(|document| {
            let key = document.object_key;
            document
                .scans
                .into_iter()
                .map(move |bytes| (key.clone(), bytes))
        })
        .collect()
}
