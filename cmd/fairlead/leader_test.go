package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLeaderFlags(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, test := range map[string]struct {
		flags     leaderFlags
		pod       string
		want      string
		namespace string
	}{
		"off":                 {flags: leaderFlags{}},
		"in a pod":            {flags: leaderFlags{elect: true, lease: 35 * second, renew: 30 * second, retry: 5 * second}, pod: "fairlead", namespace: "fairlead"},
		"named":               {flags: leaderFlags{elect: true, namespace: "x", lease: 35 * second, renew: 30 * second, retry: 5 * second}, pod: "fairlead", namespace: "x"},
		"no pod":              {flags: leaderFlags{elect: true, lease: 35 * second, renew: 30 * second, retry: 5 * second}, want: "--leader-elect-namespace"},
		"lease is too short":  {flags: leaderFlags{elect: true, lease: 30 * second, renew: 30 * second, retry: 5 * second}, want: "--lease-duration 30s"},
		"renew is too short":  {flags: leaderFlags{elect: true, lease: 35 * second, renew: 6 * second, retry: 5 * second}, want: "--renew-deadline 6s"},
		"retry is nothing":    {flags: leaderFlags{elect: true, lease: 35 * second, renew: 30 * second}, want: "--retry-period 0s"},
		"lease has no second": {flags: leaderFlags{elect: true, lease: second / 2, renew: second / 4, retry: second / 10}, want: "at least 1s"},
	} {
		err := test.flags.complete(test.pod)
		if test.want == "" && (err != nil || test.flags.namespace != test.namespace) {
			t.Errorf("%s: namespace %q, %v; want %q", name, test.flags.namespace, err, test.namespace)
		}
		if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: the error is %v, want %q", name, err, test.want)
		}
	}
}

func TestPodNamespace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "namespace")
	if got := podNamespace(path); got != "" {
		t.Errorf("outside of a pod the namespace is %q", got)
	}
	if err := os.WriteFile(path, []byte("fairlead-system\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := podNamespace(path); got != "fairlead-system" {
		t.Errorf("the namespace is %q", got)
	}
}

func TestALostLeaseIsTold(t *testing.T) {
	t.Parallel()
	flags := leaderFlags{elect: true, namespace: "fairlead-system", renew: 30 * time.Second}
	lost, other := errors.New("leader election lost"), errors.New("other")
	if err := flags.ended(t.Context(), lost); err == nil || !strings.Contains(err.Error(), "lost the lease fairlead-system/fairlead") {
		t.Errorf("the error is %v", err)
	}
	if err := flags.ended(t.Context(), other); !errors.Is(err, other) {
		t.Errorf("another error becomes %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := flags.ended(stopped, nil); err != nil {
		t.Errorf("a process that was asked to stop ends with %v", err)
	}
}
