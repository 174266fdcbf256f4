//! Identities in their tables. Changes run in the writer's transaction; what is decided is decided in `verdict.rs`.

mod rows;

pub(super) use rows::{
    BARRED_CERTIFICATES, BARRED_DEVICES, CERTIFICATES_OF, CLAIM, CLAIMS, HOLDERS_OF_OTHERS,
    IDENTITY, ISSUERS, TRUST, TRUST_COUNTS, barred_device, certificate, certificate_state,
    certificates, claim, device, digest, identity, issuer, standing, trust, trust_count,
};

use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use crate::identity::verdict::{self, Verdict};
use crate::identity::{
    CLAIMS_MAX, CertificateRow, CertificateState, ClaimRow, Enrolment, IdentityChange,
    IdentityOutcome, IdentityRow, REGISTER_MAX, Refusal, Renewal, Standing,
};

/// Makes a change.
pub(super) fn change(
    connection: &Connection,
    change: &IdentityChange,
) -> rusqlite::Result<IdentityOutcome> {
    match change {
        IdentityChange::AddClaim(claim) => add_claim(connection, claim),
        IdentityChange::RevokeClaim { id, at } => {
            let changed = connection.execute(
                "UPDATE claim SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL",
                params![id.0, time(*at)],
            )?;
            Ok(done_if(changed))
        }
        IdentityChange::Enrol(asks) => enrol(connection, asks),
        IdentityChange::Renew(asks) => renew(connection, asks),
        IdentityChange::Register { devices, at } => register(connection, devices, *at),
        IdentityChange::Bar {
            device,
            standing,
            at,
        } => bar(connection, device, *standing, *at),
        IdentityChange::AllowKey { device, at } => allow_key(connection, device, *at),
        IdentityChange::AddTrust { roots, issuers, at } => {
            connection.execute(
                "INSERT INTO trust (roots, issuers, made) VALUES (?1, ?2, ?3)",
                params![roots, issuers, time(*at)],
            )?;
            let number = connection.last_insert_rowid().cast_unsigned();
            Ok(IdentityOutcome::Trust(number))
        }
    }
}

const fn done_if(changed: usize) -> IdentityOutcome {
    match changed {
        0 => IdentityOutcome::Missing,
        _ => IdentityOutcome::Done,
    }
}

fn add_claim(connection: &Connection, claim: &ClaimRow) -> rusqlite::Result<IdentityOutcome> {
    let good: i64 = connection.query_row(
        "SELECT count(*) FROM claim WHERE revoked IS NULL AND expires > ?1 AND left > 0",
        [time(claim.created)],
        |row| row.get(0),
    )?;
    if good.cast_unsigned() >= CLAIMS_MAX {
        return Ok(IdentityOutcome::TooMany);
    }
    let added = connection.execute(
        "INSERT INTO claim (id, hash, devices, left, pattern, attributes, created, expires, revoked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        params![
            claim.id.0,
            claim.hash,
            claim.devices.cast_signed(),
            claim.left.cast_signed(),
            claim.pattern,
            text(&claim.attributes),
            time(claim.created),
            time(claim.expires),
            claim.revoked.map(time),
        ],
    )?;
    Ok(match added {
        0 => IdentityOutcome::Taken,
        _ => IdentityOutcome::Done,
    })
}

fn enrol(connection: &Connection, asks: &Enrolment) -> rusqlite::Result<IdentityOutcome> {
    let new = &asks.certificate;
    let claim = new.claim.map(|id| find_claim(connection, id)).transpose()?;
    let known_claim = claim.flatten();
    let identity = find_identity(connection, &new.device)?;
    let known = certificates_around(connection, new)?;
    match verdict::enrol(asks, known_claim.as_ref(), identity.as_ref(), &known) {
        Verdict::Again(row) => Ok(IdentityOutcome::Already(row)),
        Verdict::Refuse(why) => Ok(IdentityOutcome::Refused(why)),
        Verdict::Hold => Ok(IdentityOutcome::Refused(Refusal::Held)),
        Verdict::Issue => {
            if let Some(id) = new.claim {
                connection.execute("UPDATE claim SET left = left - 1 WHERE id = ?", [id.0])?;
            }
            // What an operator said of this very ID says more than a token for many.
            let mut attributes = asks.attributes.clone();
            attributes.extend(identity.map(|known| known.attributes).unwrap_or_default());
            let revoked = revoke_all(connection, &new.device)?;
            insert(connection, new)?;
            put_identity(
                connection,
                &IdentityRow {
                    device: new.device.clone(),
                    standing: Standing::Enrolled,
                    may_rekey: false,
                    attributes,
                    claimed: asks.claimed.clone(),
                    claim: new.claim,
                    since: asks.at,
                },
            )?;
            Ok(IdentityOutcome::Issued { revoked })
        }
    }
}

fn renew(connection: &Connection, asks: &Renewal) -> rusqlite::Result<IdentityOutcome> {
    let new = &asks.certificate;
    let identity = find_identity(connection, &new.device)?;
    let known = certificates_around(connection, new)?;
    match verdict::renew(asks, identity.as_ref(), &known) {
        Verdict::Again(row) => Ok(IdentityOutcome::Already(row)),
        Verdict::Refuse(why) => Ok(IdentityOutcome::Refused(why)),
        Verdict::Hold => {
            connection.execute(
                "UPDATE identity SET standing = ?2, since = ?3 WHERE device = ?1",
                params![new.device.as_str(), code(Standing::Cloned), time(asks.at)],
            )?;
            Ok(IdentityOutcome::Refused(Refusal::Cloned))
        }
        Verdict::Issue => {
            // A copy that was restored may not know what was issued after it was made.
            if !known
                .iter()
                .any(|row| row.thumbprint == asks.old.thumbprint)
            {
                insert(connection, &asks.old)?;
            }
            if identity.is_none() {
                put_identity(connection, &unheard_of(new, asks.at))?;
            }
            connection.execute(
                "UPDATE certificate SET state = ?2 WHERE device = ?1 AND state = ?3",
                params![
                    new.device.as_str(),
                    state_code(CertificateState::Superseded),
                    state_code(CertificateState::Active)
                ],
            )?;
            insert(connection, new)?;
            Ok(IdentityOutcome::Issued {
                revoked: Vec::new(),
            })
        }
    }
}

fn unheard_of(new: &CertificateRow, at: Timestamp) -> IdentityRow {
    IdentityRow {
        device: new.device.clone(),
        standing: Standing::Enrolled,
        may_rekey: false,
        attributes: Map::new(),
        claimed: Map::new(),
        claim: None,
        since: at,
    }
}

fn register(
    connection: &Connection,
    devices: &[(DeviceId, Map<String, Value>)],
    at: Timestamp,
) -> rusqlite::Result<IdentityOutcome> {
    if devices.len() > REGISTER_MAX {
        return Ok(IdentityOutcome::TooMany);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO identity VALUES (?1, ?2, 0, ?3, '{}', NULL, ?4) ON CONFLICT DO NOTHING",
    )?;
    let mut update =
        connection.prepare_cached("UPDATE identity SET attributes = ?2 WHERE device = ?1")?;
    let mut new = Vec::with_capacity(devices.len());
    for (device, attributes) in devices {
        let attributes = text(attributes);
        let registered = code(Standing::Registered);
        let added = insert.execute(params![device.as_str(), registered, attributes, time(at)])?;
        if added == 0 {
            update.execute(params![device.as_str(), attributes])?;
        }
        new.push(added == 1);
    }
    Ok(IdentityOutcome::Registered(new))
}

fn bar(
    connection: &Connection,
    device: &DeviceId,
    standing: Standing,
    at: Timestamp,
) -> rusqlite::Result<IdentityOutcome> {
    let identity = find_identity(connection, device)?;
    if identity
        .as_ref()
        .is_some_and(|known| known.standing == standing && !known.may_rekey)
    {
        return Ok(IdentityOutcome::Missing);
    }
    let revoked = revoke_all(connection, device)?;
    put_identity(
        connection,
        &IdentityRow {
            device: device.clone(),
            standing,
            may_rekey: false,
            attributes: identity
                .as_ref()
                .map(|known| known.attributes.clone())
                .unwrap_or_default(),
            claim: identity.as_ref().and_then(|known| known.claim),
            claimed: identity.map(|known| known.claimed).unwrap_or_default(),
            since: at,
        },
    )?;
    Ok(IdentityOutcome::Barred { revoked })
}

fn allow_key(
    connection: &Connection,
    device: &DeviceId,
    at: Timestamp,
) -> rusqlite::Result<IdentityOutcome> {
    let changed = connection.execute(
        "UPDATE identity SET may_rekey = 1, since = ?2 WHERE device = ?1 AND standing > ?3",
        params![device.as_str(), time(at), code(Standing::Registered)],
    )?;
    Ok(done_if(changed))
}

/// Revokes what the device has, and returns the thumbprints.
fn revoke_all(connection: &Connection, device: &DeviceId) -> rusqlite::Result<Vec<Digest>> {
    let revoked = state_code(CertificateState::Revoked);
    let mut statement = connection.prepare_cached(
        "UPDATE certificate SET state = ?2 WHERE device = ?1 AND state <> ?2 RETURNING thumbprint",
    )?;
    let rows = statement.query_map(params![device.as_str(), revoked], digest)?;
    rows.collect()
}

fn find_claim(connection: &Connection, id: ClaimId) -> rusqlite::Result<Option<ClaimRow>> {
    let mut statement = connection.prepare_cached(CLAIM)?;
    statement.query_row([id.0], claim).optional()
}

fn find_identity(
    connection: &Connection,
    device: &DeviceId,
) -> rusqlite::Result<Option<IdentityRow>> {
    let mut statement = connection.prepare_cached(IDENTITY)?;
    statement.query_row([device.as_str()], identity).optional()
}

/// Returns the certificates of the same device, oldest first, and those of the same key.
fn certificates_around(
    connection: &Connection,
    new: &CertificateRow,
) -> rusqlite::Result<Vec<CertificateRow>> {
    let sql = certificates("device = ?1 OR key = ?2 ORDER BY seq");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        params![new.device.as_str(), new.key.as_bytes()],
        certificate,
    )?;
    rows.collect()
}

fn insert(connection: &Connection, row: &CertificateRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO certificate (thumbprint, device, key, serial, issuer, not_before, not_after, state,
             previous, claim, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            row.thumbprint.as_bytes(),
            row.device.as_str(),
            row.key.as_bytes(),
            row.serial,
            row.issuer.as_bytes(),
            time(row.not_before),
            time(row.not_after),
            state_code(row.state),
            row.previous.as_ref().map(Digest::as_bytes),
            row.claim.map(|id| id.0),
            row.chain,
        ])
        .map(drop)
}

fn put_identity(connection: &Connection, row: &IdentityRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO identity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET standing = ?2,
             may_rekey = ?3, attributes = ?4, claimed = ?5, claim = ?6, since = ?7",
        )?
        .execute(params![
            row.device.as_str(),
            code(row.standing),
            row.may_rekey,
            text(&row.attributes),
            text(&row.claimed),
            row.claim.map(|id| id.0),
            time(row.since),
        ])
        .map(drop)
}

fn text(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).unwrap_or_default()
}

const fn time(at: Timestamp) -> i64 {
    at.0.cast_signed()
}

/// The codes are stored: they may be added to, never given another meaning.
const fn code(standing: Standing) -> i64 {
    match standing {
        Standing::Registered => 0,
        Standing::Enrolled => 1,
        Standing::Revoked => 2,
        Standing::Retired => 3,
        Standing::Cloned => 4,
    }
}

const fn state_code(state: CertificateState) -> i64 {
    match state {
        CertificateState::Active => 0,
        CertificateState::Superseded => 1,
        CertificateState::Revoked => 2,
    }
}
