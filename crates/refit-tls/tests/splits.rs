//! However the bytes are cut, what comes out is what went in.

use proptest::prelude::*;
use refit_tls::server::Oldest;
use refit_tls::stream::Peered;

use crate::authority::Authority;
use crate::pair::{Both, client, server};

#[test]
fn data_that_comes_with_the_end_of_the_handshake_is_not_lost() {
    let authority = Authority::new("fleet");
    let device = authority.device("lamp-7");
    let mut both = Both::new(
        &client(&authority, Some(&device)),
        &server(&authority, Oldest::Tls13).0,
    );
    both.client_sends();
    both.server_turn();
    // The client is done with the handshake, and says something before anything of it leaves.
    both.client_hears().unwrap();
    both.client_says(b"CONNECT");
    assert!(both.server.is_handshaking());
    both.server_turn();
    assert_eq!(both.server_got, b"CONNECT");
    assert_eq!(both.server.peer_certificate(), Some(&*device.der()));
}

#[test]
fn byte_by_byte_in_both_directions() {
    for oldest in [Oldest::Tls13, Oldest::Tls12] {
        let authority = Authority::new("fleet");
        let device = authority.device("lamp-7");
        let (config, _) = server(&authority, oldest);
        let mut both = Both::new(&client(&authority, Some(&device)), &config);
        both.pipe().portions = [1, 1, 0].into();
        both.buffer = 1;
        both.settle();
        both.client_says(&[7; 600]);
        both.to_say = [9; 600].into();
        both.settle();
        assert_eq!(both.server_got, [7; 600]);
        assert_eq!(both.client_got, [9; 600]);
    }
}

#[test]
fn the_largest_record_and_one_that_has_to_wait_for_room() {
    let authority = Authority::new("fleet");
    let mut both = Both::new(
        &client(&authority, None),
        &server(&authority, Oldest::Tls13).0,
    );
    both.settle();
    both.pipe().room = Some(100);
    both.to_say = vec![5; 100_000].into();
    both.server_turn();
    both.server_turn();
    // One record was taken, and the next one has to wait for the first.
    assert_eq!(both.to_say.len(), 100_000 - 16_384);
    both.client_says(&[6; 16_384]);
    both.settle();
    both.settle();
    assert!(both.client_got == vec![5; 100_000]);
    assert_eq!(both.server_got, [6; 16_384]);
}

/// What a history is made of.
#[derive(Clone, Debug)]
enum Step {
    ClientSays(usize),
    ServerSays(usize),
    ClientChangesKeys,
    Settle,
    Buffer(usize),
    Portions(Vec<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1usize..40_000).prop_map(Step::ClientSays),
        (1usize..300).prop_map(Step::ClientSays),
        (1usize..40_000).prop_map(Step::ServerSays),
        (1usize..300).prop_map(Step::ServerSays),
        Just(Step::ClientChangesKeys),
        Just(Step::Settle),
        (1usize..20_000).prop_map(Step::Buffer),
        prop::collection::vec(0usize..20_000, 1..6).prop_map(Step::Portions),
        prop::collection::vec(0usize..20, 1..6).prop_map(Step::Portions),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_history_brings_each_byte_in_its_order(
        steps in prop::collection::vec(step(), 1..24),
        is_old in any::<bool>(),
    ) {
        let authority = Authority::new("fleet");
        let oldest = if is_old { Oldest::Tls12 } else { Oldest::Tls13 };
        let mut both = Both::new(&client(&authority, None), &server(&authority, oldest).0);
        both.client.set_buffer_limit(None);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let mut count = 0u8;
        let mut bytes = |len: usize| -> Vec<u8> {
            (0..len).map(|_| { count = count.wrapping_mul(5).wrapping_add(41); count }).collect()
        };
        for step in steps {
            match step {
                Step::ClientSays(len) => {
                    let said = bytes(len);
                    both.client_says(&said);
                    to_server.extend(said);
                }
                Step::ServerSays(len) => {
                    let said = bytes(len);
                    both.to_say.extend(&said);
                    to_client.extend(said);
                    both.server_turn();
                }
                Step::ClientChangesKeys => {
                    if !both.client.is_handshaking() {
                        drop(both.client.refresh_traffic_keys());
                    }
                }
                Step::Settle => {
                    both.client_sends();
                    both.server_turn();
                    both.client_hears().unwrap();
                }
                Step::Buffer(len) => both.buffer = len,
                Step::Portions(portions) => {
                    // Somebody must get on at some time.
                    let mut portions = portions;
                    portions.push(1000);
                    both.pipe().portions = portions.into();
                }
            }
        }
        both.pipe().portions.clear();
        both.buffer = 50_000;
        both.settle();
        prop_assert!(both.fault.is_none(), "{:?}", both.fault);
        prop_assert!(both.server_got == to_server, "{} of {} bytes", both.server_got.len(), to_server.len());
        prop_assert!(both.client_got == to_client, "{} of {} bytes", both.client_got.len(), to_client.len());
    }

    #[test]
    fn no_bytes_make_it_panic(
        garbage in prop::collection::vec(any::<u8>(), 0..600),
        after in 0usize..3,
        portion in 1usize..64,
    ) {
        let authority = Authority::new("fleet");
        let mut both = Both::new(&client(&authority, None), &server(&authority, Oldest::Tls12).0);
        for _ in 0..after {
            both.client_sends();
            both.server_turn();
            both.client_hears().unwrap();
        }
        both.pipe().portions = [portion].into();
        both.pipe().incoming.extend(&garbage);
        both.pipe().is_cut = true;
        for _ in 0..700 {
            both.server_turn();
        }
        prop_assert!(both.fault.is_some() || both.is_ended);
        prop_assert!(both.server_got.is_empty());
    }
}
