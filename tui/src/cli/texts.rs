//! What `--help` says at length.

pub(super) const EXAMPLES: &str = "\
Examples:
  tcpscope                                     watch this host, fullscreen
  tcpscope -p 'cart-*' --failed                only what failed in these pods
  tcpscope --filter 'type:c lat>50ms !dst:10.0.0.0/8'
  tcpscope --filter 'port:443 reason:refused,timeout curl'
  tcpscope -o json --duration 10s | jq -r 'select(.t==\"ev\").comm' | sort | uniq -c
  tcpscope --snapshot -o csv > open.csv        the sockets that are open now
  tcpscope --record rec.jsonl                  watch, and keep what is seen
  tcpscope replay rec.jsonl --speed 4x         see it again, filtered otherwise if you like
  tcpscope poll                                without privileges, with less to tell
  tcpscope demo                                a cluster that is not there, for a first look
  tcpscope k8s deploy --wait                   put an agent on each node of a cluster
  tcpscope -k -A                               watch all of it, through its API server

Needs root, or CAP_BPF and CAP_PERFMON; `tcpscope check` says what is missing.
Exit status: 0 done, 1 failed, 2 wrong usage, 129 hung up.";

pub(super) const FILTER_HELP: &str = "\
Show only what matches EXPR. Terms are and-ed:

  port:443 dst:10.0.0.0/8    a field and its whole value; `*` globs, CIDRs for addresses
  type:c,x  comm:\"a b\"       `,` is or; quotes where a value has a space, comma or quote
  pod:~^cart-[0-9]           a regular expression
  lat>50ms tx>=1MiB pid=1    numbers, durations (us ms s m h) and sizes (B KiB MiB GiB)
  !node:a  is:failed         negation; failures of any kind
  curl  192.0.2.0/24         a part of any text, in any case; an address, either end

Fields are the keys of `-o json`, and: ns src dst lat dur tx rx rtt retr port addr";
