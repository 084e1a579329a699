//! PostgreSQL's `bit varying`, a whole number of bytes of it.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// `varbit` in every database (<https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>).
const VARBIT: Oid = Oid(1562);

/// Bits, the first in the highest bit of the first byte.
pub(in crate::store) struct Bits(pub(in crate::store) Vec<u8>);

impl From<Bits> for Vec<u8> {
    fn from(bits: Bits) -> Self {
        bits.0
    }
}

impl Type<Postgres> for Bits {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(VARBIT)
    }
}

impl Encode<'_, Postgres> for Bits {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&i32::try_from(self.0.len() * 8)?.to_be_bytes());
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Bits {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let (_, bytes) = value.as_bytes()?.split_at_checked(4).ok_or("bits without their number")?;
        Ok(Self(bytes.to_vec()))
    }
}
