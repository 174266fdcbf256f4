//! The server stops: everybody hears of it, or is closed.

use std::time::Duration;

use refit_packet::Version;

use crate::client::Client;
use crate::house::House;

#[test]
fn everybody_is_told_and_gone() {
    let mut house = House::new();
    let mut five = Client::device(house.address(), Version::V5, "five");
    let mut three = Client::device(house.address(), Version::V311, "three");
    let mut application = Client::application(house.address(), "shop");
    let mut silent = Client::silent(house.address(), Version::V5);
    // By this answer the silent one was accepted: it dialled before.
    let mut last = Client::device(house.address(), Version::V5, "last");

    let endpoint = house.endpoint.take().unwrap();
    let stopping = house.runtime.spawn(endpoint.stop(Duration::from_secs(20)));
    for client in [&mut five, &mut application, &mut last] {
        let heard = client.hear();
        assert!(
            heard.starts_with("DISCONNECT server shutting down"),
            "{heard}"
        );
        assert_eq!(client.hear_or_end(), None);
    }
    assert_eq!(three.hear_or_end(), None);
    let heard = silent.hear_or_end();
    assert_eq!(heard, None);
    drop((five, three, application, silent, last));
    assert_eq!(house.runtime.block_on(stopping).unwrap(), 0);
    assert!(std::net::TcpStream::connect(house.address()).is_err());
}
