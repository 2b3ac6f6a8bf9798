//! Failpoints: the worker dies at each named place, and the next one finishes its work.
#![cfg(feature = "failpoints")]

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use super::fixture::worlds;
use super::kills::{fill, is_done};

#[tokio::test]
async fn whatever_place_a_worker_dies_at_everything_goes_and_is_certified_once() {
    for place in [
        "intent.after-intend",
        "intent.after-objects",
        "intent.before-commit",
    ] {
        for world in &worlds().await.worlds {
            fill(world).await;
            fail::cfg(place, "panic").unwrap();
            let pass = AssertUnwindSafe(world.dispose());
            assert!(pass.catch_unwind().await.is_err(), "{place}");
            fail::remove(place);
            assert_eq!(
                (world.open_intents().await, world.requests().await.len()),
                (2, 4),
                "{place}"
            );
            assert!(world.journal().await.is_empty(), "{place}");

            assert_eq!(world.finish().await.disposed, 2, "{place}");
            assert_eq!(world.dispose().await.disposed, 1, "{place}");
            is_done(world).await;
        }
    }
}

#[tokio::test]
async fn a_finisher_that_dies_too_leaves_its_work_to_the_next() {
    for world in &worlds().await.worlds {
        fill(world).await;
        for place in [
            "intent.after-intend",
            "intent.after-objects",
            "intent.before-commit",
        ] {
            fail::cfg(place, "panic").unwrap();
            let pass = AssertUnwindSafe(world.dispose());
            assert!(pass.catch_unwind().await.is_err(), "{place}");
            fail::remove(place);
        }
        assert_eq!(world.dispose().await.disposed, 3);
        is_done(world).await;
    }
}
