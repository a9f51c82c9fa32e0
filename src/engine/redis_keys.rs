//! What a Redis server holds: its databases, and the keys of one in order, each with its value as the server packs it.
//!
//! A value is read packed (`DUMP`), one at a time: two that are packed the same are the same. Only where they aren't are
//! they read as what they are, since a set, say, is packed in the order of its hash table.

use std::io;

use super::content::{Column, Kind, Object, Order, Table, Value};
use super::redis_resp::{Connection, Reply};

/// How many keys are asked for ahead of the one that is looked at. The server keeps the answers.
const AHEAD: usize = 256;
/// How many keys a step of `SCAN` goes over.
const PAGE: &str = "1000";

/// A server that is read. What it is asked is asked on two connections: one walks, one is asked in between.
#[derive(Debug)]
pub struct Keys {
    walk: Connection,
    ask: Connection,
}

impl Keys {
    /// Two connections to one server.
    pub fn over(walk: Connection, ask: Connection) -> Self {
        Self { walk, ask }
    }

    /// The databases that hold keys, as tables.
    ///
    /// # Errors
    /// When the server is gone, or refuses.
    pub fn databases(&mut self) -> io::Result<Vec<Table>> {
        let info = answer(self.ask.ask(&["INFO", "keyspace"])?)?.into_bytes();
        let info = String::from_utf8_lossy(&info.unwrap_or_default()).into_owned();
        let lines = info.lines().filter(|line| line.starts_with("db"));
        let names = lines.filter_map(|line| line.split_once(':'));
        let column = |name: &str, order| Column {
            name: name.to_owned(),
            order,
        };
        let table = |(name, _): (&str, &str)| Table {
            name: name.to_owned(),
            columns: vec![
                column("key", Order::Bytes),
                column("type", Order::Bytes),
                column("expires_at", Order::Number),
                column("value", Order::Written),
            ],
            key: vec!["key".to_owned()],
            from: name.trim_start_matches("db").to_owned(),
        };
        Ok(names.map(table).collect())
    }

    /// The libraries of functions, which are all that Redis has of a schema.
    ///
    /// # Errors
    /// As [`Keys::databases`].
    pub fn functions(&mut self) -> io::Result<Vec<Object>> {
        let libraries = answer(self.ask.ask(&["FUNCTION", "LIST", "WITHCODE"])?)?;
        let library = |library: Reply| {
            let mut fields = library.into_array().into_iter();
            let (mut name, mut code) = (None, None);
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                match field.into_bytes().as_deref() {
                    Some(b"library_name") => name = value.into_bytes(),
                    Some(b"library_code") => code = value.into_bytes(),
                    _ => {}
                }
            }
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            Some(Object {
                kind: Kind::Routine,
                name: text(name?),
                table: None,
                definition: text(code?),
            })
        };
        Ok(libraries
            .into_array()
            .into_iter()
            .filter_map(library)
            .collect())
    }

    /// How many keys a database has.
    ///
    /// # Errors
    /// As [`Keys::databases`].
    pub fn count(&mut self, database: &str) -> io::Result<u64> {
        answer(self.ask.ask(&["SELECT", database])?)?;
        match answer(self.ask.ask(&["DBSIZE"])?)? {
            Reply::Integer(count) => Ok(u64::try_from(count).unwrap_or(0)),
            _ => Ok(0),
        }
    }

    /// Goes through the keys of a database, in the order of their bytes. Their names are held, their values are not.
    ///
    /// # Errors
    /// As [`Keys::databases`].
    pub fn walk(&mut self, database: &str) -> io::Result<Walk<'_>> {
        for connection in [&mut self.walk, &mut self.ask] {
            answer(connection.ask(&["SELECT", database])?)?;
        }
        let mut names = Names::default();
        let mut cursor = b"0".to_vec();
        loop {
            let page = [b"SCAN", &cursor[..], b"COUNT", PAGE.as_bytes()];
            let mut page = answer(self.ask.ask(&page)?)?.into_array().into_iter();
            cursor = page.next().and_then(Reply::into_bytes).unwrap_or_default();
            let found = page.next().map(Reply::into_array).unwrap_or_default();
            for name in found.into_iter().filter_map(Reply::into_bytes) {
                names.add(&name);
            }
            if cursor == b"0" || cursor.is_empty() {
                break;
            }
        }
        names.sort();
        Ok(Walk {
            keys: self,
            names,
            asked: 0,
            taken: 0,
            expires: None,
            packed: Vec::new(),
        })
    }
}

/// Names in one piece of memory.
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    parts: Vec<(usize, usize)>,
}

impl Names {
    fn add(&mut self, name: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.parts.push((from, self.bytes.len()));
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        let (from, to) = *self.parts.get(index)?;
        Some(&self.bytes[from..to])
    }

    /// Puts them in order, each once: `SCAN` may give one twice.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.parts
            .sort_unstable_by_key(|(from, to)| &bytes[*from..*to]);
        self.parts.dedup_by_key(|(from, to)| &bytes[*from..*to]);
    }
}

/// The keys of a database, of which there is one at a time.
#[derive(Debug)]
pub struct Walk<'k> {
    keys: &'k mut Keys,
    names: Names,
    asked: usize,
    taken: usize,
    expires: Option<i64>,
    packed: Vec<u8>,
}

impl Walk<'_> {
    /// Goes to the next key; `false` where there is none any more. One that has expired meanwhile is none.
    ///
    /// # Errors
    /// When the server is gone, or refuses.
    pub fn advance(&mut self) -> io::Result<bool> {
        while self.taken < self.names.parts.len() {
            // In batches: each has to be sent on its own.
            if self.asked == self.taken {
                while self.asked < self.taken + AHEAD
                    && let Some(name) = self.names.get(self.asked)
                {
                    self.keys.walk.send(&[b"PEXPIRETIME", name])?;
                    self.keys.walk.send(&[b"DUMP", name])?;
                    self.asked += 1;
                }
            }
            self.taken += 1;
            self.expires = match answer(self.keys.walk.receive()?)? {
                Reply::Integer(at) if at >= 0 => Some(at),
                _ => None,
            };
            if let Some(packed) = answer(self.keys.walk.receive()?)?.into_bytes() {
                self.packed = packed;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        let index = self.taken.checked_sub(1);
        index
            .and_then(|index| self.names.get(index))
            .unwrap_or_default()
    }

    /// Whether its value and its time to live are certainly those of another.
    pub fn is_same(&self, other: &Self) -> bool {
        self.expires == other.expires && self.packed == other.packed
    }

    /// What the table has of it: key, type, when it expires in milliseconds since 1970, and the value.
    ///
    /// # Errors
    /// When the server is gone, or refuses.
    pub fn values(&mut self) -> io::Result<Vec<Value>> {
        let key = self.key().to_vec();
        let kind = answer(self.keys.ask.ask(&[&b"TYPE"[..], &key])?)?.into_bytes();
        let kind = kind.unwrap_or_default();
        let value = match kind.as_slice() {
            b"string" => Value::text(self.ask(&[b"GET", &key])?.into_bytes().unwrap_or_default()),
            b"list" => listed(self.ask(&[b"LRANGE", &key, b"0", b"-1"])?, false),
            b"set" => listed(self.ask(&[b"SMEMBERS", &key])?, true),
            b"hash" => paired(self.ask(&[b"HGETALL", &key])?, true),
            b"zset" => paired(
                self.ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"])?,
                false,
            ),
            b"stream" => {
                let entries = self.ask(&[b"XRANGE", &key, b"-", b"+"])?;
                let groups = self.ask(&[b"XINFO", b"GROUPS", &key])?;
                Value::Text(format!("{} groups {}", written(&entries), written(&groups)))
            }
            // Of a module: only the server knows what it is.
            _ => Value::Blob(self.packed.clone()),
        };
        let expires = self.expires.map_or(Value::Null, Value::Integer);
        Ok(vec![Value::text(key), Value::text(kind), expires, value])
    }

    fn ask(&mut self, command: &[&[u8]]) -> io::Result<Reply> {
        answer(self.keys.ask.ask(command)?)
    }
}

/// An answer that is no error.
fn answer(reply: Reply) -> io::Result<Reply> {
    match reply {
        Reply::Error(error) => Err(io::Error::other(error)),
        reply => Ok(reply),
    }
}

/// `["a", "b"]`.
fn listed(reply: Reply, sort: bool) -> Value {
    let mut items: Vec<String> = reply.into_array().iter().map(written).collect();
    if sort {
        items.sort();
    }
    Value::Text(format!("[{}]", items.join(", ")))
}

/// `{"a": "1", "b": "2"}`.
fn paired(reply: Reply, sort: bool) -> Value {
    let items: Vec<String> = reply.into_array().iter().map(written).collect();
    let mut pairs: Vec<String> = items.chunks(2).map(|pair| pair.join(": ")).collect();
    if sort {
        pairs.sort();
    }
    Value::Text(format!("{{{}}}", pairs.join(", ")))
}

/// An answer as redis-cli writes it in quotes, on one line.
fn written(reply: &Reply) -> String {
    let bytes = match reply {
        Reply::Status(bytes) | Reply::Bulk(bytes) => bytes,
        Reply::Error(error) => error.as_bytes(),
        Reply::Integer(number) => return number.to_string(),
        Reply::Nil => return "nil".to_owned(),
        Reply::Array(replies) => {
            let items: Vec<String> = replies.iter().map(written).collect();
            return format!("[{}]", items.join(", "));
        }
    };
    let mut text = "\"".to_owned();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                c if c.is_control() => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text.push('"');
    text
}
