//! Looks everything up that there is to tell.

use super::family::Family;
use super::sheet::Sheet;
use super::{databases, process};
use crate::app::App;
use crate::engine::Gate;

/// All figures of this moment. Blocks a little; opens nothing.
pub(crate) fn gather(app: &App) -> Sheet {
    let mut sheet = Sheet::new();
    app.observer.metrics.put(&mut sheet);
    gate("requests", &app.gate, &mut sheet);
    gate("streams", &app.streams, &mut sheet);
    databases::put(app, &mut sheet);
    process::put(&app.config.data_dir, &mut sheet);
    sheet
}

fn gate(name: &'static str, gate: &Gate, sheet: &mut Sheet) {
    let label = || [name.into()];
    sheet.put(Family::GateTurns, label(), gate.turns());
    sheet.put(Family::GateRunning, label(), gate.running());
    sheet.put(Family::GateWaiting, label(), gate.waiting());
    let refused = gate.refused();
    for (cause, count) in [("full", refused.full), ("late", refused.late)] {
        sheet.put(Family::GateRefused, [name.into(), cause.into()], count);
    }
    if let Some(times) = gate.waits() {
        sheet.put(Family::GateWait, label(), times);
    }
}
