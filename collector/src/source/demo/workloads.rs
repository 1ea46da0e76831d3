//! The workloads and what ails them.

/// The part that a workload plays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    pub(super) namespace: Option<&'static str>,
    /// What flows call it; its pods' names begin with it.
    pub(super) name: &'static str,
    pub(super) container: &'static str,
    pub(super) comm: &'static str,
    /// The name of the thread that does it, where it is not the process's first one.
    pub(super) thread: Option<&'static str>,
    pub(super) uid: u32,
    /// The nodes of its replicas.
    pub(super) nodes: &'static [usize],
    pub(super) pods: Pods,
    /// The port that its containers listen on.
    pub(super) port: u16,
    /// Processes that share the work, each with its own pid.
    pub(super) workers: u32,
    /// Its sockets are IPv6, for IPv4 too.
    pub(super) dual: bool,
    /// How long a connection waits to be accepted, in microseconds.
    pub(super) accept_us: (u64, u64),
    /// The replica that is down: its node answers connects with resets.
    pub(super) down: Option<usize>,
    /// Of a hundred connections, how many it ends by closing with data unread.
    pub(super) resets: u32,
    /// It does not close what its peers have closed, until it is killed for that.
    pub(super) leaks: bool,
}

/// How a workload's pods are named and addressed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pods {
    /// `web-6d5f7c9b8-x2x7k`.
    Deployment,
    /// `postgres-0`.
    StatefulSet,
    /// `kube-apiserver-demo-1`, under its node's address.
    Static,
    /// A service of the host.
    Unit,
}

const PLAIN: Workload = Workload {
    namespace: None,
    name: "",
    container: "",
    comm: "",
    thread: None,
    uid: 1000,
    nodes: &[],
    pods: Pods::Deployment,
    port: 8080,
    workers: 1,
    dual: false,
    accept_us: (15, 120),
    down: None,
    resets: 0,
    leaks: false,
};

/// The workloads, each with what is wrong with it.
pub(super) const WORKLOADS: [Workload; 15] = [
    Workload {
        namespace: Some("ingress"),
        name: "nginx",
        container: "controller",
        comm: "nginx",
        uid: 101,
        nodes: &[0, 1],
        port: 443,
        workers: 4,
        dual: true,
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "web",
        container: "web",
        comm: "node",
        nodes: &[0, 1, 2],
        port: 3000,
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "cart",
        container: "cart",
        comm: "cart",
        uid: 10001,
        nodes: &[0, 1],
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "catalog",
        container: "catalog",
        comm: "java",
        thread: Some("http-nio-8080-e"),
        nodes: &[1, 2],
        dual: true,
        resets: 6,
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "checkout",
        container: "checkout",
        comm: "checkout",
        uid: 10001,
        nodes: &[0, 2],
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "inventory",
        container: "inventory",
        comm: "gunicorn",
        nodes: &[1],
        port: 8000,
        accept_us: (250_000, 2_400_000),
        ..PLAIN
    },
    Workload {
        namespace: Some("shop"),
        name: "payment",
        container: "payment",
        comm: "payment",
        uid: 10001,
        nodes: &[0],
        port: 8443,
        ..PLAIN
    },
    Workload {
        namespace: Some("data"),
        name: "postgres",
        container: "postgres",
        comm: "postgres",
        uid: 999,
        nodes: &[0, 1, 2],
        pods: Pods::StatefulSet,
        port: 5432,
        down: Some(1),
        ..PLAIN
    },
    Workload {
        namespace: Some("data"),
        name: "redis",
        container: "redis",
        comm: "redis-server",
        uid: 999,
        nodes: &[0],
        pods: Pods::StatefulSet,
        port: 6379,
        ..PLAIN
    },
    Workload {
        namespace: Some("legacy"),
        name: "invoices",
        container: "invoices",
        comm: "python3",
        nodes: &[1],
        port: 8000,
        leaks: true,
        ..PLAIN
    },
    Workload {
        namespace: Some("monitoring"),
        name: "prometheus",
        container: "prometheus",
        comm: "prometheus",
        uid: 65534,
        nodes: &[2],
        pods: Pods::StatefulSet,
        port: 9090,
        ..PLAIN
    },
    Workload {
        namespace: Some("kube-system"),
        name: "coredns",
        container: "coredns",
        comm: "coredns",
        uid: 65532,
        nodes: &[0, 1],
        port: 53,
        ..PLAIN
    },
    Workload {
        namespace: Some("kube-system"),
        name: "kube-apiserver",
        container: "kube-apiserver",
        comm: "kube-apiserver",
        uid: 0,
        nodes: &[0],
        pods: Pods::Static,
        port: 6443,
        dual: true,
        ..PLAIN
    },
    Workload {
        name: "kubelet",
        container: "kubelet.service",
        comm: "kubelet",
        uid: 0,
        nodes: &[0, 1, 2],
        pods: Pods::Unit,
        port: 10250,
        dual: true,
        ..PLAIN
    },
    // Its pods come and go: there is a new one for each run.
    Workload {
        namespace: Some("batch"),
        name: "report",
        container: "report",
        comm: "report",
        nodes: &[1],
        ..PLAIN
    },
];

/// The job that runs again and again.
pub(super) const CRON: &str = "report";
