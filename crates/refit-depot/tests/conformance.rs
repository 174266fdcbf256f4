//! The suite of every depot, on a directory.

use refit_depot::conformance;
use refit_depot::depot::Depot;
use std::future::Future;

async fn on_a_directory<F: Future<Output = ()>>(test: impl FnOnce(Depot) -> F) {
    let home = tempfile::tempdir().unwrap();
    test(Depot::open(home.path()).unwrap()).await;
}

#[tokio::test]
async fn what_came_in_goes_out() {
    on_a_directory(conformance::what_came_in_goes_out).await;
}

#[tokio::test]
async fn the_same_again_is_harmless() {
    on_a_directory(conformance::the_same_again_is_harmless).await;
}

#[tokio::test]
async fn other_bytes_than_announced_are_not_kept() {
    on_a_directory(conformance::other_bytes_than_announced_are_not_kept).await;
}

#[tokio::test]
async fn removal_is_told_apart_from_absence() {
    on_a_directory(conformance::removal_is_told_apart_from_absence).await;
}
