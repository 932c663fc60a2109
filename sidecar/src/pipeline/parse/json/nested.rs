//! Skips an array or object, checking its syntax. The kinds of what is open are bits of one number, so that depth costs neither
//! stack nor heap.

use super::{Cursor, DEPTH_MAX, number, string};

/// What is open, innermost last: an object is a 1.
#[derive(Debug, Default)]
struct Open {
    kinds: u128,
    depth: usize,
}

impl Open {
    fn enter(&mut self, is_object: bool) -> Option<()> {
        self.kinds = self.kinds << 1 | u128::from(is_object);
        self.depth += 1;
        // One level is the object whose member this is.
        (self.depth < DEPTH_MAX).then_some(())
    }

    fn leave(&mut self, is_object: bool) -> Option<()> {
        (self.is_object() == is_object).then(|| {
            self.kinds >>= 1;
            self.depth -= 1;
        })
    }

    fn is_object(&self) -> bool {
        self.kinds & 1 == 1
    }
}

/// Reads to the end of the array or object that begins here.
pub fn skip(cursor: &mut Cursor<'_>) -> Option<()> {
    let mut open = Open::default();
    loop {
        // A value begins here.
        match cursor.peek()? {
            b'{' | b'[' => {
                if enter(cursor, &mut open)? {
                    continue;
                }
            }
            _ => scalar(cursor)?,
        }
        if !go_on(cursor, &mut open)? {
            return Some(());
        }
    }
}

/// Reads the opening bracket and what is before the first value; whether there is one.
fn enter(cursor: &mut Cursor<'_>, open: &mut Open) -> Option<bool> {
    let is_object = cursor.next()? == b'{';
    open.enter(is_object)?;
    cursor.skip_blanks();
    if cursor.peek()? == if is_object { b'}' } else { b']' } {
        cursor.at += 1;
        open.leave(is_object)?;
        return Some(false);
    }
    if is_object {
        key(cursor)?;
    }
    Some(true)
}

/// Reads what is behind a value, up to the next one; whether there is one.
fn go_on(cursor: &mut Cursor<'_>, open: &mut Open) -> Option<bool> {
    while open.depth > 0 {
        cursor.skip_blanks();
        match cursor.next()? {
            b'}' => open.leave(true)?,
            b']' => open.leave(false)?,
            b',' => {
                cursor.skip_blanks();
                if open.is_object() {
                    key(cursor)?;
                }
                return Some(true);
            }
            _ => return None,
        }
    }
    Some(false)
}

/// Reads a name, the colon, and the blanks around them.
fn key(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.expect(b'"')?;
    string::read(cursor)?;
    cursor.skip_blanks();
    cursor.expect(b':')?;
    cursor.skip_blanks();
    Some(())
}

fn scalar(cursor: &mut Cursor<'_>) -> Option<()> {
    match cursor.peek()? {
        b'"' => {
            cursor.at += 1;
            string::read(cursor).map(drop)
        }
        b't' => cursor.literal(b"true"),
        b'f' => cursor.literal(b"false"),
        b'n' => cursor.literal(b"null"),
        _ => number::skip(cursor),
    }
}
