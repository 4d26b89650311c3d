//! All pictures and records as one page of HTML that needs nothing else.

use super::chart;
use super::picture::escaped;
use super::record::Record;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1120px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
svg{max-width:100%;height:auto;border:1px solid #e4e4e4;border-radius:6px}\
table{border-collapse:collapse;margin:1rem 0}\
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #e4e4e4}\
th:first-child,td:first-child{text-align:left}\
pre{overflow:auto;max-height:24rem;font-size:12px}\
h2{margin-top:3rem}";

/// The page; `about` says in a sentence what was played, `describe` what a scenario is.
pub(crate) fn html(
    records: &[Record],
    asked: f32,
    about: &str,
    describe: impl Fn(&str) -> String,
) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>drift-sim</title>\
         <style>{STYLE}</style>\n<h1>How indexes age</h1>\n<p>{}</p>\n",
        escaped(about)
    );
    page += &chart::overview(records, asked).svg("recall in all scenarios");
    for name in chart::scenarios(records) {
        let shown: Vec<&Record> = records.iter().filter(|r| r.scenario == name).collect();
        let (heading, description) = (escaped(name), escaped(&describe(name)));
        page += &format!("<h2>{heading}</h2>\n<p>{description}</p>\n");
        page += &chart::scenario(records, name, asked).svg(name);
        page += &table(&shown);
    }
    page += "<h2>Records</h2>\n<details><summary>JSON lines</summary><pre>";
    for record in records {
        let line = serde_json::to_string(record).unwrap_or_default();
        page += &escaped(&line);
        page.push('\n');
    }
    page + "</pre></details>\n</html>\n"
}

/// A row for each index: how it began, its worst, how it ended.
fn table(records: &[&Record]) -> String {
    let mut table =
        "<table><tr><th>index<th>recall at first<th>worst<th>at last<th>p99 at first<th>at last\
                     <th>buckets at first<th>at last<th>written ÷ added</tr>\n"
            .to_owned();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let length = rest.iter().take_while(|r| r.index == first.index).count();
        let (these, others) = rest.split_at(length);
        rest = others;
        let worst = these.iter().map(|r| r.recall).fold(1.0, f64::min);
        let Some(last) = these.last() else { break };
        let or_dash = |value: Option<f64>| value.map_or("–".to_owned(), |v| format!("{v:.1}"));
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "<tr><td>{}<td>{:.3}<td>{worst:.3}<td>{:.3}<td>{:.0} µs<td>{:.0} µs<td>{}<td>{}<td>{}</tr>",
            escaped(&first.index),
            first.recall,
            last.recall,
            first.p99_us,
            last.p99_us,
            or_dash(first.buckets_scanned),
            or_dash(last.buckets_scanned),
            or_dash(last.write_amplification),
        );
    }
    table + "</table>\n"
}
