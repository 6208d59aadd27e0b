package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func newWorkdir(t *testing.T) workdir {
	t.Helper()
	dir := workdir(t.TempDir())
	if err := dir.create(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDirectoryIsLockedForOne(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	release, err := dir.lock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = dir.lock()
	if err == nil {
		t.Fatal("two locks at once")
	}
	for _, want := range []string{string(dir), "pid " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	release()
	again, err := dir.lock()
	if err != nil {
		t.Fatalf("not free after release: %v", err)
	}
	again()
}

func TestStaleLockFileKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	if err := os.WriteFile(dir.lockFile(), []byte("4194304999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := dir.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	text, err := os.ReadFile(dir.lockFile())
	if err != nil || string(text) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("lock file holds %q (%v), want our pid alone", text, err)
	}
}

func TestPortIsRemembered(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	if port, err := dir.rememberedPort(); port != 0 || err != nil {
		t.Errorf("port %d (%v) before the first start, want 0", port, err)
	}
	if err := dir.rememberPort(23456); err != nil {
		t.Fatal(err)
	}
	if port, err := dir.rememberedPort(); port != 23456 || err != nil {
		t.Errorf("port %d (%v), want 23456", port, err)
	}
	if err := os.WriteFile(dir.portFile(), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.rememberedPort(); err == nil || !strings.Contains(err.Error(), dir.portFile()) {
		t.Errorf("error %v, want one that names %s", err, dir.portFile())
	}
}
