//! Sessions and statements, as this module names them.

pub(crate) use crate::database::session::Access;
pub(crate) use crate::database::session::MEGABYTE;
pub(crate) use crate::database::session::Row;
pub(crate) use crate::database::session::SqlSession;
pub(crate) use crate::database::session::bytes_of;
pub(crate) use crate::database::session::collect;
pub(crate) use crate::database::statement::Arg;
pub(crate) use crate::database::statement::Statement;
pub(crate) use crate::database::statement::Values;
