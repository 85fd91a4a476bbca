//! What was let in by the policy of those who look after the app.

use std::sync::Arc;

use usher_rules::{plan::Route, policy::Policy};

use super::{PermitEnd, Standing};

impl Standing {
    /// Was it let in by the policy of those who look after the app? Then by the newest one from now on.
    fn is_of_administrators(&self) -> bool {
        let pair = self.also.as_ref().zip(self.route.admin_policy());
        pair.is_some_and(|(also, admins)| Arc::ptr_eq(also, admins))
    }

    /// What has to let it in beside the policy of its route, as that is now.
    pub(super) fn also_now<'a>(
        &'a self,
        route: &'a Route,
    ) -> Result<Option<&'a Arc<Policy>>, PermitEnd> {
        match &self.also {
            Some(_) if self.is_of_administrators() => match route.admin_policy() {
                Some(policy) => Ok(Some(policy)),
                None => Err(PermitEnd::PolicyChanged), // closed by now
            },
            also => Ok(also.as_ref()),
        }
    }
}
