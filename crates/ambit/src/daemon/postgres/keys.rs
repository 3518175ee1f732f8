//! The keys with which drivers cancel what their connections do. They are ours: a server's own would cancel whatever runs
//! there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq as _;

use crate::upstream::postgres::Canceller;
use crate::world::{NoChance, World};

/// The keys of all connections, by the number that each was given.
#[derive(Default)]
pub(super) struct Keys(Mutex<BTreeMap<u32, (Vec<u8>, Canceller)>>);

/// A connection's key, which is forgotten when this is dropped.
pub(super) struct Key {
    all: Arc<Keys>,
    /// The number.
    pub process: u32,
    /// The key.
    pub key: Vec<u8>,
}

impl Keys {
    /// Draws a key for a connection: so many bytes, four at least.
    pub fn draw(self: &Arc<Self>, world: &dyn World, bytes: usize, canceller: Canceller) -> Result<Key, NoChance> {
        let mut key = vec![0; bytes.max(4)];
        world.random(&mut key)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let process = loop {
            let mut number = [0; 4];
            world.random(&mut number)?;
            // A process's number is above zero.
            let number = u32::from_be_bytes(number) >> 1;
            if number > 0 && !all.contains_key(&number) {
                break number;
            }
        };
        all.insert(process, (key.clone(), canceller));
        Ok(Key { all: Arc::clone(self), process, key })
    }

    /// What cancels the connection of that number, where the key is its own.
    pub fn canceller(&self, process: u32, key: &[u8]) -> Option<Canceller> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, canceller) = all.get(&process)?;
        bool::from(known.as_slice().ct_eq(key)).then(|| canceller.clone())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.process);
    }
}
