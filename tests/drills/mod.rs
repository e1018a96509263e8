//! Server processes over one PostgreSQL: they race, they are killed, they lose the database.
//! `.ci/run postgres` starts the server that `TEST_POSTGRES` names.

mod balancer;
mod cluster;
mod console;
mod hand_over;
mod http;
mod kill;
mod ledger;
mod outage;
mod pooler;
mod proxy;
mod races;
mod reseal;
mod rolling;
mod site;
mod tls;
mod token_keys;
