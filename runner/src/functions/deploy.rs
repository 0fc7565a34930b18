//! Deploying: nothing changes until everything has worked.

use std::sync::Arc;

use thaw_pool_manager::{BakeFunction, FunctionSpec, TemplateInfo, image::ProgressSink};

use super::{
    Deploy, DeployError, FunctionInfo, FunctionName, Functions, Version, VersionSpec,
    code::HeldCode, registry::Function,
};
use crate::{clock::now_ms, store::VersionRow};

impl Functions {
    /// Deploys a version of a function: the first one makes the function. What is the newest version already
    /// is not deployed again.
    ///
    /// # Errors
    /// See [`DeployError`]; nothing has changed then.
    ///
    /// # Cancel safety
    /// It goes on when this is dropped.
    pub async fn deploy(
        &self,
        deploy: Deploy,
        progress: ProgressSink,
    ) -> Result<FunctionInfo, DeployError> {
        if self.0.stop.is_cancelled() {
            return Err(DeployError::ShuttingDown);
        }
        let functions = self.clone();
        let deploying = async move {
            let stop = functions.0.stop.clone();
            let deployed = stop.run_until_cancelled(functions.deploy_whole(deploy, progress));
            deployed.await.unwrap_or(Err(DeployError::ShuttingDown))
        };
        let deployed = self.0.tasks.spawn(deploying).await;
        deployed.unwrap_or(Err(DeployError::ShuttingDown))
    }

    async fn deploy_whole(
        &self,
        deploy: Deploy,
        progress: ProgressSink,
    ) -> Result<FunctionInfo, DeployError> {
        let problems = deploy.problems();
        if !problems.is_empty() {
            return Err(DeployError::Bad(problems));
        }
        self.check_room(&deploy.name)?;
        let (store, archive) = (self.0.code.clone(), deploy.code);
        let code = tokio::task::spawn_blocking(move || store.add(archive.as_deref())).await;
        let code = code.map_err(|_| DeployError::ShuttingDown)??;
        let baked = self
            .bake(
                &deploy.name,
                &deploy.spec.image,
                &deploy.spec,
                &code.digest,
                &progress,
            )
            .await;
        let committed = match baked {
            Ok(template) => {
                self.commit(&deploy.name, deploy.spec, &code, template)
                    .await
            }
            Err(error) => Err(error),
        };
        let digest = code.digest.clone();
        drop(code);
        if committed.is_err() {
            self.remove_unused_code(&digest);
        }
        committed
    }

    /// Makes sure that there is a template for a version, of the image that is given by name or digest.
    pub(super) async fn bake(
        &self,
        name: &FunctionName,
        image: &str,
        spec: &VersionSpec,
        code_digest: &str,
        progress: &ProgressSink,
    ) -> Result<TemplateInfo, DeployError> {
        let request = BakeFunction {
            image: image.to_owned(),
            shape: spec.shape,
            spec: FunctionSpec {
                name: name.to_string(),
                kind: spec.kind.clone(),
                env: spec.env.clone(),
                init_timeout: spec.init_timeout,
            },
            code_digest: code_digest.to_owned(),
            code: self.0.code.read(code_digest).await?,
        };
        Ok(self.0.node.bake_function(request, progress).await?)
    }

    async fn commit(
        &self,
        name: &FunctionName,
        spec: VersionSpec,
        code: &HeldCode,
        template: TemplateInfo,
    ) -> Result<FunctionInfo, DeployError> {
        let _change = self.0.change.lock().await;
        let known = self.0.registry.find(name.as_str()).ok();
        let is_new = known.is_none();
        let function = known
            .unwrap_or_else(|| Arc::new(Function::new(name.clone(), now_ms(), &self.0.limits)));
        let (number, newest) = {
            let state = function.state();
            (state.next_version, state.newest())
        };
        let same = |version: &Arc<Version>| {
            let is_of =
                version.code_digest == code.digest && version.image_digest == template.image;
            is_of && version.spec == spec
        };
        if !newest.as_ref().is_some_and(same) {
            self.check_room(name)?;
            let row = VersionRow {
                number,
                spec,
                code_digest: code.digest.clone(),
                code_bytes: code.bytes,
                template: template.id,
                image_digest: template.image,
                created_at_ms: now_ms(),
            };
            self.0.store.enter_version(name, row.clone()).await?;
            let mut state = function.state();
            state.next_version = number + 1;
            state.versions.insert(number, Arc::new(Version::new(row)));
        }
        if is_new {
            self.0.registry.enter(Arc::clone(&function));
        }
        self.set_bounds(&function).await;
        self.describe(&function).ok_or(DeployError::ShuttingDown)
    }

    fn check_room(&self, name: &FunctionName) -> Result<(), DeployError> {
        let limits = &self.0.limits;
        match self.0.registry.find(name.as_str()) {
            Ok(function) if function.state().versions.len() >= limits.versions => {
                Err(DeployError::TooMany {
                    what: "versions of a function",
                    limit: limits.versions,
                })
            }
            Err(_) if self.0.registry.len() >= limits.functions => Err(DeployError::TooMany {
                what: "functions",
                limit: limits.functions,
            }),
            _ => Ok(()),
        }
    }
}
