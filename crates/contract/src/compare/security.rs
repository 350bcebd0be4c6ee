use super::{Comparison, Places, Rule, Verdict};
use crate::Security;
use crate::security::Alternative;

impl Comparison<'_> {
    pub(super) fn security(&mut self, was: &Security, is: &Security) {
        if was.signature() == is.signature() {
            return;
        }
        let places = Places::both(&was.place, &is.place);
        let (old, new) = (alternatives(was), alternatives(is));
        // What a caller shows is enough if some alternative asks for no more.
        let shut_out = old.iter().any(|shown| !new.iter().any(|asked| is_enough(shown, asked)));
        let let_in = new.iter().any(|shown| !old.iter().any(|asked| is_enough(shown, asked)));
        let message =
            format!("callers had to show {} and now have to show {}", was.describe(), is.describe());
        if shut_out {
            self.say(Verdict::Breaking, Rule::SecurityTightened, message, "security", places);
        } else if let_in {
            self.say(Verdict::Compatible, Rule::SecurityLoosened, message, "security", places);
        } else {
            // The same callers get in, only written with alternatives that add nothing.
            self.explained = true;
        }
    }
}

/// Asking for nothing is one alternative that is empty.
fn alternatives(security: &Security) -> Vec<Alternative> {
    if security.alternatives.is_empty() { vec![Alternative::new()] } else { security.alternatives.clone() }
}

fn is_enough(shown: &Alternative, asked: &Alternative) -> bool {
    asked.iter().all(|(scheme, scopes)| shown.get(scheme).is_some_and(|have| scopes.is_subset(have)))
}
