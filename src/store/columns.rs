//! How the domain's words become columns. An unknown word in the database is an error and never a
//! default: unknown is not "no" (design rule 4).

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::internal::derives::as_expression::Bound;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Nullable, Text};
use std::collections::BTreeSet;

use crate::mfa::challenge::{EnrollmentAuthority, Purpose, TicketMode};
use crate::mfa::client::Scope;
use crate::mfa::client_key::PublicJwk;
use crate::mfa::event::{ActorKind, EventKind, EventSeq};
use crate::mfa::factor::{FactorKind, FactorState, PrimaryMethod};
use crate::mfa::ids::{
    ChallengeId, ClientId, ClientKeyId, ClientSecretId, ClientTokenId, DirectoryId, EnrollmentId,
    EventId, FactorId, OverrideId, PetitionId, RecoveryCodeId, TenantId, TicketId, TokenId, UserId,
};
use crate::mfa::overrides::{OverrideKind, OverrideState, PetitionKind, PetitionState};
use crate::mfa::time::{Step, Timestamp};
use crate::mfa::token_key::{KeyState, Kid};
use crate::mfa::totp::Algorithm;
use crate::mfa::words::{
    Audience, DisplayName, ExternalId, Group, Label, LookAlikes, Reason, Role, ServiceAccount,
    TicketReference, UserKind,
};

/// A word in the database that the domain does not know.
#[derive(Debug, thiserror::Error)]
#[error("the database holds an unknown {0}")]
struct UnknownWord(&'static str);

/// Lets a type stand in queries as the SQL type that it is stored as.
macro_rules! expression {
    ($name:ty, $sql:ty) => {
        impl AsExpression<$sql> for $name {
            type Expression = Bound<$sql, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<$sql> for &'a $name {
            type Expression = Bound<$sql, &'a $name>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl AsExpression<Nullable<$sql>> for $name {
            type Expression = Bound<Nullable<$sql>, Self>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<'a> AsExpression<Nullable<$sql>> for &'a $name {
            type Expression = Bound<Nullable<$sql>, &'a $name>;
            fn as_expression(self) -> Self::Expression {
                Bound::new(self)
            }
        }
        impl<DB: Backend> ToSql<Nullable<$sql>, DB> for $name
        where
            Self: ToSql<$sql, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                ToSql::<$sql, DB>::to_sql(self, out)
            }
        }
        impl<DB: Backend> diesel::Queryable<$sql, DB> for $name
        where
            Self: FromSql<$sql, DB>,
        {
            type Row = Self;
            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}

macro_rules! text_columns {
    ($($name:ty: $read:expr;)*) => {$(
        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                let text = String::from_sql(bytes)?;
                let read: fn(&str) -> Option<Self> = $read;
                read(&text).ok_or_else(|| UnknownWord(stringify!($name)).into())
            }
        }
        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.as_str().to_sql(out)
            }
        }
        expression!($name, Text);
    )*};
}

macro_rules! parsed {
    ($($name:ty),* $(,)?) => { text_columns! { $($name: |text| <$name>::parse(text).ok();)* } };
}
macro_rules! chosen {
    ($($name:ty),* $(,)?) => { text_columns! { $($name: <$name>::parse;)* } };
}

parsed!(
    TenantId,
    DirectoryId,
    UserId,
    ClientId,
    ClientSecretId,
    ClientKeyId,
    ClientTokenId,
    FactorId,
    EnrollmentId,
    ChallengeId,
    TicketId,
    RecoveryCodeId,
    PetitionId,
    OverrideId,
    EventId,
    TokenId,
    Kid,
    Audience,
    ExternalId,
    DisplayName,
    Reason,
    TicketReference,
    ServiceAccount,
);
chosen!(
    LookAlikes,
    UserKind,
    Role,
    Purpose,
    EnrollmentAuthority,
    TicketMode,
    ActorKind,
    EventKind,
    FactorKind,
    FactorState,
    KeyState,
    PrimaryMethod,
    OverrideKind,
    OverrideState,
    PetitionKind,
    PetitionState,
    Algorithm,
);

macro_rules! number_columns {
    ($($name:ty: $from:expr, $into:expr;)*) => {$(
        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(bytes).map($from)
            }
        }
        impl ToSql<BigInt, diesel::sqlite::Sqlite> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut Output<'b, '_, diesel::sqlite::Sqlite>,
            ) -> serialize::Result {
                out.set_value($into(*self));
                Ok(serialize::IsNull::No)
            }
        }
        impl ToSql<BigInt, diesel::pg::Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
                ToSql::<BigInt, diesel::pg::Pg>::to_sql(&$into(*self), &mut out.reborrow())
            }
        }
        expression!($name, BigInt);
    )*};
}

number_columns! {
    Timestamp: Timestamp::from_millis, Timestamp::millis;
    Step: Step::from_number, Step::number;
    EventSeq: EventSeq::from_number, EventSeq::number;
}

/// A value that is stored as JSON text and read back strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T, DB> FromSql<Text, DB> for Json<T>
where
    DB: Backend,
    String: FromSql<Text, DB>,
    T: serde::de::DeserializeOwned,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let text = String::from_sql(bytes)?;
        Ok(Self(serde_json::from_str(&text)?))
    }
}

macro_rules! json_columns {
    ($($name:ty),* $(,)?) => {$(
        impl ToSql<Text, diesel::sqlite::Sqlite> for Json<$name> {
            fn to_sql<'b>(
                &'b self,
                out: &mut Output<'b, '_, diesel::sqlite::Sqlite>,
            ) -> serialize::Result {
                out.set_value(serde_json::to_string(&self.0)?);
                Ok(serialize::IsNull::No)
            }
        }
        impl ToSql<Text, diesel::pg::Pg> for Json<$name> {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> serialize::Result {
                let text = serde_json::to_string(&self.0)?;
                ToSql::<Text, diesel::pg::Pg>::to_sql(&text, &mut out.reborrow())
            }
        }
        expression!(Json<$name>, Text);
    )*};
}

json_columns!(
    BTreeSet<Scope>,
    PublicJwk,
    BTreeSet<Audience>,
    Vec<Audience>,
    BTreeSet<Group>,
    BTreeSet<Label>,
    serde_json::Value,
    crate::mfa::policy::Policy,
);
