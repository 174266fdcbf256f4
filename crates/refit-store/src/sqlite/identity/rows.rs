//! The rows of identities, as they are read, and the questions that readers ask.

use refit_protocol::claim::ClaimId;
use refit_protocol::device_id::DeviceId;
use refit_protocol::digest::Digest;
use refit_protocol::time::Timestamp;
use rusqlite::Row;
use serde_json::{Map, Value};

use super::{code, state_code};
use crate::identity::{
    CertificateRow, CertificateState, ClaimRow, IdentityRow, IssuerCount, Standing, TrustCount,
    TrustRow,
};
use crate::sqlite::release::{device_id, unreadable};
use crate::sqlite::row::Unreadable;

pub(in crate::sqlite) const CLAIM: &str =
    "SELECT id, hash, devices, left, pattern, attributes, created, expires, revoked FROM claim
     WHERE id = ?";
pub(in crate::sqlite) const CLAIMS: &str =
    "SELECT id, hash, devices, left, pattern, attributes, created, expires, revoked FROM claim
     ORDER BY created DESC, id";
pub(in crate::sqlite) const IDENTITY: &str =
    "SELECT device, standing, may_rekey, attributes, claimed, claim, since FROM identity
     WHERE device = ?";
pub(in crate::sqlite) const CERTIFICATES_OF: &str = "device = ? ORDER BY seq DESC";
pub(in crate::sqlite) const BARRED_DEVICES: &str =
    "SELECT device, standing FROM identity WHERE standing >= 2";
pub(in crate::sqlite) const BARRED_CERTIFICATES: &str = "SELECT thumbprint FROM certificate JOIN identity USING (device) WHERE state = 2 AND standing < 2";
pub(in crate::sqlite) const TRUST: &str =
    "SELECT number, roots, made, issuers FROM trust ORDER BY number DESC LIMIT ?";
pub(in crate::sqlite) const ISSUERS: &str =
    "SELECT issuer, count(*), min(not_after) FROM certificate WHERE state = 0 AND not_after > ?
     GROUP BY issuer ORDER BY 2 DESC";
pub(in crate::sqlite) const HOLDERS_OF_OTHERS: &str =
    "SELECT DISTINCT device FROM certificate WHERE state = 0 AND issuer <> ? AND not_after > ?";
pub(in crate::sqlite) const TRUST_COUNTS: &str =
    "SELECT CASE json_type(reported, '$.agent.trust') WHEN 'integer'
       THEN max(0, json_extract(reported, '$.agent.trust')) ELSE 0 END, count(*)
     FROM device WHERE seen >= ? GROUP BY 1 ORDER BY 1";

/// Returns the question for certificates of which this is true.
pub(in crate::sqlite) fn certificates(which: &str) -> String {
    format!(
        "SELECT thumbprint, device, key, serial, issuer, not_before, not_after, state, previous, claim, chain
         FROM certificate WHERE {which}"
    )
}

pub(in crate::sqlite) fn claim(row: &Row<'_>) -> rusqlite::Result<ClaimRow> {
    Ok(ClaimRow {
        id: ClaimId(row.get(0)?),
        hash: row.get(1)?,
        devices: number(row, 2)?,
        left: number(row, 3)?,
        pattern: row.get(4)?,
        attributes: document(row, 5)?,
        created: time(row, 6)?,
        expires: time(row, 7)?,
        revoked: row
            .get::<_, Option<i64>>(8)?
            .map(|at| Timestamp(at.cast_unsigned())),
    })
}

pub(in crate::sqlite) fn identity(row: &Row<'_>) -> rusqlite::Result<IdentityRow> {
    Ok(IdentityRow {
        device: device_id(row, 0)?,
        standing: standing(row, 1)?,
        may_rekey: row.get(2)?,
        attributes: document(row, 3)?,
        claimed: document(row, 4)?,
        claim: row.get::<_, Option<[u8; 8]>>(5)?.map(ClaimId),
        since: time(row, 6)?,
    })
}

pub(in crate::sqlite) fn certificate(row: &Row<'_>) -> rusqlite::Result<CertificateRow> {
    Ok(CertificateRow {
        thumbprint: digest(row)?,
        device: device_id(row, 1)?,
        key: Digest::from_bytes(row.get(2)?),
        serial: row.get(3)?,
        issuer: Digest::from_bytes(row.get(4)?),
        not_before: time(row, 5)?,
        not_after: time(row, 6)?,
        state: certificate_state(row, 7)?,
        previous: row.get::<_, Option<[u8; 32]>>(8)?.map(Digest::from_bytes),
        claim: row.get::<_, Option<[u8; 8]>>(9)?.map(ClaimId),
        chain: row.get(10)?,
    })
}

pub(in crate::sqlite) fn barred_device(row: &Row<'_>) -> rusqlite::Result<(DeviceId, Standing)> {
    Ok((device_id(row, 0)?, standing(row, 1)?))
}

pub(in crate::sqlite) fn device(row: &Row<'_>) -> rusqlite::Result<DeviceId> {
    device_id(row, 0)
}

pub(in crate::sqlite) fn digest(row: &Row<'_>) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get(0)?))
}

pub(in crate::sqlite) fn trust(row: &Row<'_>) -> rusqlite::Result<TrustRow> {
    Ok(TrustRow {
        number: number(row, 0)?,
        roots: row.get(1)?,
        made: time(row, 2)?,
        issuers: row.get(3)?,
    })
}

pub(in crate::sqlite) fn trust_count(row: &Row<'_>) -> rusqlite::Result<TrustCount> {
    Ok(TrustCount {
        number: number(row, 0)?,
        devices: number(row, 1)?,
    })
}

pub(in crate::sqlite) fn issuer(row: &Row<'_>) -> rusqlite::Result<IssuerCount> {
    Ok(IssuerCount {
        issuer: digest(row)?,
        certificates: number(row, 1)?,
        first_expiry: time(row, 2)?,
    })
}

pub(in crate::sqlite) fn certificate_state(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<CertificateState> {
    let stored: i64 = row.get(column)?;
    CertificateState::ALL
        .into_iter()
        .find(|state| state_code(*state) == stored)
        .ok_or_else(|| unreadable(column, Unreadable(format!("{stored} is no state"))))
}

pub(in crate::sqlite) fn standing(row: &Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    let stored: i64 = row.get(column)?;
    Standing::ALL
        .into_iter()
        .find(|standing| code(*standing) == stored)
        .ok_or_else(|| unreadable(column, Unreadable(format!("{stored} is no standing"))))
}

fn document(row: &Row<'_>, column: usize) -> rusqlite::Result<Map<String, Value>> {
    let text = row.get_ref(column)?.as_bytes()?;
    serde_json::from_slice(text).map_err(|error| unreadable(column, Unreadable(error.to_string())))
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    number(row, column).map(Timestamp)
}
