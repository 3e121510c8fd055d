//! Objects as users have them, put in past the API: what a rollout finds.

use serde_json::{Value, json};

use super::Kube;
use super::api::Target;
use super::control;
use super::fields::Manager;
use super::kinds::by_kind;
use super::write;

impl Kube {
    /// Puts an object in, in the namespace `prod`, as somebody's `kubectl` would have.
    pub fn add(&self, object: Value) -> Value {
        let kind = by_kind(object["kind"].as_str().unwrap()).unwrap();
        let namespace = if kind.namespaced() { super::NAMESPACE } else { "" };
        let target = Target { kind, namespace: namespace.to_owned(), name: String::new(), subresource: String::new() };
        let manager = Manager { name: "kubectl-create".to_owned(), apply: false, version: kind.api_version() };
        let mut world = self.shared.world.lock().unwrap();
        let object = write::insert(&mut world, &target, object, &manager)
            .unwrap_or_else(|reply| panic!("{}", String::from_utf8_lossy(&reply.body)));
        control::settle(&mut world);
        drop(world);
        self.shared.changed.send_modify(|count| *count += 1);
        object
    }

    /// A Deployment with one container `main`, and pods labelled `app: NAME`.
    pub fn deployment(&self, name: &str, image: &str, replicas: u64) -> Value {
        self.add(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 8000}]}]},
                },
            },
        }))
    }

    /// A Service that selects `app: NAME`, port 80 to 8000.
    pub fn service(&self, name: &str) -> Value {
        self.add(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8000}]},
        }))
    }

    /// A VirtualService of that name with one route to the Service.
    pub fn virtual_service(&self, name: &str, service: &str) -> Value {
        self.add(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name},
            "spec": {"hosts": [service], "http": [{"name": "primary", "route": [{"destination": {"host": service}}]}]},
        }))
    }

    /// An HTTPRoute of that name with one rule to the Service's port 80.
    pub fn http_route(&self, name: &str, service: &str) -> Value {
        self.add(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {
                "parentRefs": [{"name": "gateway"}],
                "rules": [{"backendRefs": [{"name": service, "port": 80}]}],
            },
        }))
    }

    /// An Ingress of that name, class nginx, host `llm.example`, path `/`, to the Service's port 80.
    pub fn ingress(&self, name: &str, service: &str) -> Value {
        self.add(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {
                "ingressClassName": "nginx",
                "rules": [{"host": "llm.example", "http": {"paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": service, "port": {"number": 80}}},
                }]}}],
            },
        }))
    }

    /// A HorizontalPodAutoscaler of a Deployment; `autoscale` says what it wants.
    pub fn autoscaler(&self, name: &str, deployment: &str, least: u64, most: u64) -> Value {
        self.add(json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
                "minReplicas": least, "maxReplicas": most,
            },
        }))
    }
}
