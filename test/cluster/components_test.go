package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var testPorts = ports{apiserver: 20001, etcd: 20002, controllerManager: 20003, scheduler: 20004}

func TestEverythingServesOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	dir := workdir("/d")
	for name, args := range map[string][]string{
		apiserver:         apiserverArgs(dir, testPorts, options{}),
		controllerManager: controllerManagerArgs(dir, testPorts),
		scheduler:         schedulerArgs(dir, testPorts),
	} {
		if !slices.Contains(args, "--bind-address=127.0.0.1") {
			t.Errorf("%s does not bind to 127.0.0.1: %v", name, args)
		}
	}
	config := etcdConfig(t.TempDir(), 20002, false)
	for _, listen := range append(config.ListenClientUrls, config.ListenPeerUrls...) {
		if listen.Hostname() != "127.0.0.1" {
			t.Errorf("etcd listens on %s", listen.Host)
		}
	}
	if err := config.Validate(); err != nil {
		t.Errorf("etcd refuses its configuration: %v", err)
	}
}

func TestEtcdSyncsOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, fsync := range []bool{false, true} {
		if config := etcdConfig(t.TempDir(), 1, fsync); config.UnsafeNoFsync == fsync {
			t.Errorf("fsync %t leads to UnsafeNoFsync %t", fsync, config.UnsafeNoFsync)
		}
	}
	if args := etcdArgs("/d", testPorts, options{fsync: true}); !slices.Contains(args, "--fsync=true") {
		t.Errorf("--fsync does not reach etcd: %v", args)
	}
}

func TestAuditIsOffUntilAFileIsNamed(t *testing.T) {
	t.Parallel()
	plain := strings.Join(apiserverArgs("/d", testPorts, options{}), " ")
	if strings.Contains(plain, "--audit") {
		t.Errorf("audit is on without being asked for: %s", plain)
	}
	audited := apiserverArgs("/d", testPorts, options{auditLog: "/a/log"})
	for _, want := range []string{"--audit-log-path=/a/log", "--audit-policy-file=/d/conf/audit-policy.yaml"} {
		if !slices.Contains(audited, want) {
			t.Errorf("%s is missing in %v", want, audited)
		}
	}
}

func TestStagesHaveNoPlaceholderLeft(t *testing.T) {
	t.Parallel()
	config, err := simulationConfig(1500 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if _, rest, found := strings.Cut(config, "$("); found {
		t.Errorf("placeholder left: $(%.40s", rest)
	}
	for _, want := range []string{`"1.5s"`, "name: pod-ready", "name: node-heartbeat", "podPlayStageParallelism"} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration has no %s", want)
		}
	}
}

func TestNewPodsGetAddressesAfterTheHighest(t *testing.T) {
	t.Parallel()
	withIP := func(ip string) corev1.Pod { return corev1.Pod{Status: corev1.PodStatus{PodIP: ip}} }
	for name, test := range map[string]struct {
		pods []corev1.Pod
		want string
	}{
		"a new cluster starts at the beginning": {nil, "10.244.0.0/16"},
		"a resumed one continues": {[]corev1.Pod{withIP("10.244.1.9"), withIP("10.244.0.200")},
			"10.244.1.9/16"},
		"pods on the host's network are no matter": {[]corev1.Pod{withIP(nodeIP), withIP("")}, "10.244.0.0/16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := podAddressesAfter(test.pods); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestClaimsOfOurClassWantAVolume(t *testing.T) {
	t.Parallel()
	class, other, now := storageClass, "other", metav1.Now()
	for name, test := range map[string]struct {
		change func(*corev1.PersistentVolumeClaim)
		want   bool
	}{
		"pending":             {func(*corev1.PersistentVolumeClaim) {}, true},
		"bound already":       {func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimBound }, false},
		"being deleted":       {func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = &now }, false},
		"asks for one volume": {func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "v" }, false},
		"of another class":    {func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &other }, false},
		"of no class":         {func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim := &corev1.PersistentVolumeClaim{
				Spec: claimSpec(), Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
			}
			claim.Spec.StorageClassName = &class
			test.change(claim)
			if got := wantsVolume(claim); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestOnlyOurReleasedVolumesAreLeftOver(t *testing.T) {
	t.Parallel()
	ours := volumeFor(&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", UID: "u"}, Spec: claimSpec()},
		"/d")
	if isLeftOver(ours) {
		t.Error("a volume in use is left over")
	}
	ours.Status.Phase = corev1.VolumeReleased
	if !isLeftOver(ours) {
		t.Error("a released volume of ours is not left over")
	}
	ours.Annotations = nil
	if isLeftOver(ours) {
		t.Error("somebody else's volume is left over")
	}
}
