//! What a VM says on its console.

use thaw_pool_manager::ConsoleStream;

use crate::{Runner, VmError};

impl Runner {
    /// What a VM has said on its console, and with `follow` what it says next. Reading is no use of it.
    ///
    /// # Errors
    /// See [`VmError`].
    pub async fn vm_console(
        &self,
        id_or_name: &str,
        follow: bool,
    ) -> Result<ConsoleStream, VmError> {
        let vm = self.find_vm(id_or_name)?;
        Ok(self.node().console(vm.id(), follow).await?)
    }
}
