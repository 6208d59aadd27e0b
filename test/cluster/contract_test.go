package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestContract starts the built binary and holds it to what others rely on. It is one test with an order, because
// starting a cluster is what takes the time.
func TestContract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cluster")
	first := startProcess(t, dir)
	t.Run("server", func(t *testing.T) { checkServer(t, first) })
	t.Run("pods", func(t *testing.T) { checkPods(t, first) })
	t.Run("a second start with the same directory is refused", func(t *testing.T) {
		said := refused(t, "--dir", dir)
		for _, want := range []string{dir, strconv.Itoa(first.cmd.Process.Pid)} {
			if !strings.Contains(said, want) {
				t.Errorf("the refusal does not name %s: %s", want, said)
			}
		}
	})
	port := serverPort(t, first)
	t.Run("a taken port is refused", func(t *testing.T) {
		said := refused(t, "--dir", filepath.Join(t.TempDir(), "other"), "--port", port)
		if !strings.Contains(said, "port "+port) || !strings.Contains(said, "taken") {
			t.Errorf("the refusal does not name port %s: %s", port, said)
		}
	})
	before := podIPs(t, first)
	if code := first.end(syscall.SIGTERM); code != 0 {
		t.Fatalf("SIGTERM leads to exit code %d, want 0; stderr:\n%s", code, first.stderr)
	}
	t.Run("a resumed directory does not move to another port", func(t *testing.T) { checkRememberedPort(t, dir, port) })

	auditLog := filepath.Join(t.TempDir(), "audit.log")
	second := startProcess(t, dir, "--pod-ready-delay", "2s", "--fsync", "--audit-log", auditLog)
	t.Run("resume", func(t *testing.T) { checkResumed(t, second, port, before) })
	t.Run("readiness is delayed", func(t *testing.T) { checkDelay(t, second) })
	t.Run("requests are logged", func(t *testing.T) { checkAudit(t, auditLog) })
	t.Run("nothing survives a killed devcluster", func(t *testing.T) { second.end(syscall.SIGKILL) })

	third := startProcess(t, dir)
	t.Run("a dead component ends everything", func(t *testing.T) { checkDeadComponent(t, third) })
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{"--help": "Examples:", "--version": "v1.37.2"} {
		if said := succeeds(t, flag); !strings.Contains(said, want) {
			t.Errorf("%s says %q, want %q in it", flag, said, want)
		}
	}
}

func checkServer(t *testing.T, p *process) {
	version, err := p.client.Discovery().ServerVersion()
	if err != nil || version.GitVersion != "v1.37.2" {
		t.Errorf("server version %v (%v), want v1.37.2", version, err)
	}
	node, err := p.client.CoreV1().Nodes().Get(t.Context(), nodeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if node.Annotations["kwok.x-k8s.io/node"] != "fake" || node.Status.Allocatable.Pods().Value() < 10000 ||
		len(node.Spec.Taints) > 0 {
		t.Errorf("node is not what pods need: %v %v %v", node.Annotations, node.Status.Allocatable, node.Spec.Taints)
	}
	review, err := p.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(),
		&authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{
				User:               "system:serviceaccount:default:default",
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "secrets"},
			},
		}, metav1.CreateOptions{})
	if err != nil || review.Status.Allowed {
		t.Errorf("a service account may list secrets (%v): RBAC is not in force", err)
	}
	pids := p.pids()
	for _, name := range []string{"devcluster", etcd, apiserver, controllerManager, scheduler, kwok} {
		if !alive(pids[name]) {
			t.Errorf("pids.json has %d for %s, which does not run", pids[name], name)
		}
	}
}

func checkRememberedPort(t *testing.T, dir, port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatalf("the port is not free after the end: %v", err)
	}
	defer listener.Close()
	if said := refused(t, "--dir", dir); !strings.Contains(said, "port "+port) {
		t.Errorf("the refusal does not name port %s: %s", port, said)
	}
}

// checkResumed expects the port and the objects of before, and that new pods work and get free addresses.
func checkResumed(t *testing.T, p *process, port string, before map[string]string) {
	if got := serverPort(t, p); got != port {
		t.Errorf("port %s, want %s as before", got, port)
	}
	for name, address := range podIPs(t, p) {
		if before[name] != address {
			t.Errorf("pod %s has address %s, had %s", name, address, before[name])
		}
	}
	create(t, p.client, deployment("after-resume", 3))
	awaitAvailable(t, p.client, "after-resume", 3)
	users := map[string]string{}
	for name, address := range podIPs(t, p) {
		if other, taken := users[address]; taken {
			t.Errorf("pods %s and %s share the address %s", name, other, address)
		}
		users[address] = name
	}
	if len(users) < len(before)+3 {
		t.Errorf("%d pods with an address after resume, had %d before: objects are lost", len(users), len(before))
	}
}

// checkDelay follows one pod: it must run and be unready before it is ready. The order is checked, not the clock.
func checkDelay(t *testing.T, p *process) {
	watcher, err := p.client.CoreV1().Pods(metav1.NamespaceDefault).Watch(t.Context(),
		metav1.ListOptions{FieldSelector: "metadata.name=delayed"})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	create(t, p.client, barePod("delayed"))
	ranUnready := false
	timeout := time.After(patience)
	for {
		select {
		case event := <-watcher.ResultChan():
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				t.Fatalf("unexpected event %v", event)
			}
			if condition(pod, corev1.PodReady) == corev1.ConditionTrue {
				if !ranUnready {
					t.Error("the pod was ready without having run unready")
				}
				return
			}
			ranUnready = ranUnready || pod.Status.Phase == corev1.PodRunning
		case <-timeout:
			t.Fatal("the pod did not become ready")
		}
	}
}

func checkAudit(t *testing.T, path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"level":"Metadata"`, `"stage":"ResponseComplete"`, `"username":"kwok"`, `"resource":"pods"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the audit log has no %s", want)
		}
	}
}

func checkDeadComponent(t *testing.T, p *process) {
	if err := syscall.Kill(p.pids()[scheduler], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(); code == 0 {
		t.Error("exit code 0, want another one")
	}
	for _, want := range []string{scheduler + " ended unexpectedly", filepath.Join(p.dir, "logs", scheduler+".log")} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, p.stderr)
		}
	}
}

// serverPort is the port in the kubeconfig.
func serverPort(t *testing.T, p *process) string {
	t.Helper()
	_, port, err := net.SplitHostPort(p.client.CoreV1().RESTClient().Get().URL().Host)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// podIPs are the addresses of all pods by name.
func podIPs(t *testing.T, p *process) map[string]string {
	t.Helper()
	pods, err := p.client.CoreV1().Pods(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{}
	for _, pod := range pods.Items {
		addresses[pod.Name] = pod.Status.PodIP
	}
	return addresses
}

// awaitAvailable waits until all replicas of a Deployment are available.
func awaitAvailable(t *testing.T, client clientset, name string, replicas int32) {
	t.Helper()
	eventually(t, "deployment "+name, func(ctx context.Context) error {
		d, err := client.AppsV1().Deployments(metav1.NamespaceDefault).Get(ctx, name, metav1.GetOptions{})
		if err == nil && d.Status.AvailableReplicas != replicas {
			err = fmt.Errorf("%d of %d replicas are available", d.Status.AvailableReplicas, replicas)
		}
		return err
	})
}
