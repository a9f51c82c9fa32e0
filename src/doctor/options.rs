//! How the container is to be started that this runs in.

use super::{ContainerHost, Facts, Way};

/// What the container that this runs in must be started with; `lacks` are capabilities of root.
pub(super) fn container_options(facts: &Facts, lacks: &[&str]) -> Vec<Way> {
    let adds = |format: &dyn Fn(&str) -> String, between: &str| {
        lacks
            .iter()
            .map(|name| format(name))
            .collect::<Vec<_>>()
            .join(between)
    };
    let flags = adds(&|name| format!("--cap-add {name} \\\n  "), "");
    match facts.container {
        Some(ContainerHost::Podman) => vec![Way::new(
            "start it with",
            format!(
                "podman run {flags}--security-opt seccomp=unconfined --security-opt unmask=ALL \\\n  --security-opt label=disable …"
            ),
        )],
        Some(ContainerHost::Kubernetes) => vec![Way::new(
            "in the pod's description, for this container",
            "securityContext:\n  privileged: true",
        )],
        Some(ContainerHost::Docker) => {
            let added = match lacks.is_empty() {
                true => String::new(),
                false => format!("cap_add: [{}]\n", lacks.join(", ")),
            };
            vec![
                Way::new(
                    "start it with (in a job of GitHub Actions: `container: { options: … }`)",
                    format!(
                        "docker run {flags}--security-opt seccomp=unconfined --security-opt apparmor=unconfined \\\n  --security-opt systempaths=unconfined …"
                    ),
                ),
                Way::new(
                    "for a service of Docker Compose",
                    format!(
                        "{added}security_opt: [seccomp=unconfined, apparmor=unconfined, systempaths=unconfined]"
                    ),
                ),
            ]
        }
        Some(ContainerHost::Other) | None if lacks.is_empty() => vec![Way::told(
            "allow nesting for this container (LXC: `security.nesting=true`; systemd-nspawn: `--private-users=no`)",
        )],
        Some(ContainerHost::Other) | None => vec![Way::told(format!(
            "whatever started this shell took them away: start it with {}, or run as an ordinary user, who needs none",
            lacks.join(", ")
        ))],
    }
}
