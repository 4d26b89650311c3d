//! The dictionary in a NumPy file's header.

/// The dictionary of a header.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's notation of the element type.
    pub(super) descr: String,
    /// Whether columns, not rows, lie together.
    pub(super) fortran_order: bool,
    /// Lengths of all dimensions.
    pub(super) shape: Vec<u64>,
}

impl Header {
    /// Reads the one form that NumPy writes: a flat dictionary of strings, booleans and tuples of integers.
    pub(super) fn parse(text: &str) -> Result<Header, String> {
        let mut cursor = Cursor { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        cursor.expect('{')?;
        while !cursor.accept('}') {
            let key = cursor.text()?;
            cursor.expect(':')?;
            match key {
                "descr" => {
                    descr = Some(
                        cursor
                            .text()
                            .map_err(|_| {
                                "'descr' is no plain type (structured arrays cannot be imported)"
                                    .to_owned()
                            })?
                            .to_owned(),
                    )
                }
                "fortran_order" => fortran_order = Some(cursor.boolean()?),
                "shape" => shape = Some(cursor.tuple()?),
                other => return Err(format!("unknown key '{other}'")),
            }
            if !cursor.accept(',') {
                cursor.expect('}')?;
                break;
            }
        }
        Ok(Header {
            descr: descr.ok_or("'descr' is missing")?,
            fortran_order: fortran_order.ok_or("'fortran_order' is missing")?,
            shape: shape.ok_or("'shape' is missing")?,
        })
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn accept(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) {
            Ok(())
        } else {
            Err(format!("'{wanted}' expected {}", self.here()))
        }
    }

    fn here(&self) -> String {
        match self.rest.is_empty() {
            true => "at the end".to_owned(),
            false => format!(
                "before {:?}",
                self.rest.chars().take(16).collect::<String>()
            ),
        }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let quote = if self.accept('\'') {
            '\''
        } else {
            self.expect('"').map(|()| '"')?
        };
        let (text, rest) = self.rest.split_once(quote).ok_or("a string has no end")?;
        self.rest = rest;
        Ok(text)
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, String> {
        let here = self.here();
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err(format!("True or False expected {here}")),
        }
    }

    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        self.expect('(')?;
        let mut numbers = Vec::new();
        while !self.accept(')') {
            let here = self.here();
            let number = self.word();
            numbers.push(
                number
                    .trim_end_matches('L')
                    .parse()
                    .map_err(|_| format!("a length expected {here}"))?,
            );
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }
}
