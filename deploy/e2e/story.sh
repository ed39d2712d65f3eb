#!/usr/bin/env bash
# Plays the whole story in the cluster of KUBECONFIG, and takes everything away again:
# a second DNS beside CoreDNS, pods that ask it, 300 questions to both, back as before.
#
#   IMAGE=localhost/minidns:0.1.0 deploy/e2e/story.sh
#
# Needs kubectl and minidns (or MINIDNS), the image on every node, and the rights of
# docs/install.md. Works on any cluster; .github/workflows/kind.yml runs it on kind.
# Exit status 0 if everything holds. NAME is the name of the second DNS, COUNT and SEED
# choose the questions.
set -euo pipefail

image=${IMAGE:?"the image of minidns, as the nodes have it"}
name=${NAME:-minidns-e2e}
minidns=${MINIDNS:-minidns}
count=${COUNT:-300} seed=${SEED:-1}
here=$(cd "$(dirname "$0")" && pwd)
space=minidns-e2e
python=/usr/bin/python3.11  # in the image, which has no shell

step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
in_pod() { kubectl -n "$space" exec -i "$1" -- "$python" "${@:2}"; }
# names of the pods that run and are not about to end
pods() {
  kubectl -n "$space" get pods -l app=web --field-selector status.phase=Running \
    -o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
}
address() { kubectl -n kube-system get service "$1" -o jsonpath='{.spec.clusterIP}'; }
# what the workload says, without what the API server counts or notes
spec() { kubectl -n "$space" get deployment web -o jsonpath='{.spec}{"\n"}{.metadata.labels}{"\n"}'; }
servers() {
  for pod in $(pods); do in_pod "$pod" -c 'print([l.split()[1] for l in open("/etc/resolv.conf") if l.startswith("nameserver")][0])'; done
}

cleanup() {
  status=$?
  [ $status = 0 ] || kubectl -n kube-system describe pods -l "k8s-app=$name" | tail -30 || true
  $minidns unenrol --all -n "$space" --yes > /dev/null 2>&1 || true
  kubectl delete namespace "$space" --ignore-not-found --wait > /dev/null 2>&1 || true
  $minidns clone --delete --name "$name" --yes > /dev/null 2>&1 || true
  exit $status
}
trap cleanup EXIT

step "CoreDNS, and an application with three pods"
kubectl -n kube-system rollout status deployment/coredns --timeout=180s
kubectl create namespace "$space"
kubectl apply --validate=false -f - << YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: $space}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: $image
        imagePullPolicy: IfNotPresent
        command: [$python, -c, "import signal; signal.signal(15, lambda *_: exit()); signal.pause()"]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: $space}
spec: {selector: {app: web}, ports: [{name: dns, protocol: UDP, port: 53}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: $space}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: dns, protocol: UDP, port: 53}]}
YAML
kubectl -n "$space" rollout status deployment/web --timeout=180s
before=$(spec)

step "clone"
$minidns clone --name "$name" --image "$image" --apply --yes > /dev/null
first=$(address kube-dns) second=$(address "$name")
$minidns status

step "enrol one of three pods"
$minidns enrol deploy/web -n "$space" --replicas 1 of 3 --dns "$name" --yes > /dev/null
for _ in $(seq 60); do [ "$(pods | wc -l)" = 3 ] && break; sleep 1; done
asked=$(servers | sort | uniq -c | sed 's/^ *//')
[ "$asked" = "$(printf '2 %s\n1 %s\n' "$first" "$second" | sort -k2)" ] || fail "the pods ask: $asked"

step "look-ups in every pod"
for pod in $(pods); do
  in_pod "$pod" -c 'import socket; print(socket.gethostbyname("kubernetes.default"), socket.gethostbyname("web"))'
done

step "unenrol leaves nothing"
$minidns unenrol deploy/web -n "$space" --yes > /dev/null
for _ in $(seq 60); do [ "$(pods | wc -l)" = 3 ] && break; sleep 1; done
[ "$(spec)" = "$before" ] || fail "the workload is not as it was: $(spec)"
[ -z "$(kubectl -n "$space" get configmaps -l minidns/enrolment -o name)" ] || fail "a record is left"
kubectl -n "$space" get replicasets -o jsonpath='{.items[*].metadata.annotations}' | grep -q minidns/ && fail "an annotation is left"

step "$count questions to both"
names=$(kubectl get services -A -o jsonpath='{range .items[*]}{.metadata.name}.{.metadata.namespace}.svc.cluster.local{"\n"}{end}')
reverse=$(kubectl get services -A -o jsonpath='{range .items[*]}{.spec.clusterIP}{"\n"}{end}' | awk -F. 'NF == 4 { print $4 "." $3 "." $2 "." $1 ".in-addr.arpa" }')
pod=$(pods | sed -n 1p)
printf '%s\n' "$names" "$reverse" |
  in_pod "$pod" -c "$(cat "$here/compare.py")" "$first" "$second" "$count" "$seed" ||
  fail "the answers differ"

step "away"
$minidns clone --delete --name "$name" --yes
left=$(kubectl -n kube-system get services,deployments,configmaps,poddisruptionbudgets -l "k8s-app=$name" -o name)
[ -z "$left" ] || fail "left behind: $left"
kubectl delete namespace "$space" --wait
echo "everything holds"
