package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptionsAreReadFromTheCommandLine(t *testing.T) {
	t.Parallel()
	got, err := parseOptions(
		[]string{"--dir", "some/dir", "--port", "6443", "--pod-ready-delay=2s", "--fsync", "--audit-log", "a.log"},
		io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(got.dir) || !filepath.IsAbs(got.auditLog) {
		t.Errorf("paths %s and %s are not absolute", got.dir, got.auditLog)
	}
	if got.port != 6443 || got.podReadyDelay != 2*time.Second || !got.fsync || got.version {
		t.Errorf("got %+v", got)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no directory":      {nil, "--dir is required"},
		"an extra argument": {[]string{"--dir", "d", "up"}, `"up"`},
		"no such port":      {[]string{"--dir", "d", "--port", "70000"}, "70000"},
		"a negative delay":  {[]string{"--dir", "d", "--pod-ready-delay", "-1s"}, "-1s is negative"},
		"an unknown flag":   {[]string{"--dirr", "d"}, "dirr"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseOptions(test.args, io.Discard); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v does not say %q", err, test.says)
			}
		})
	}
}

func TestHelpDocumentsEveryFlagAndGivesExamples(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if _, err := parseOptions([]string{"--help"}, &out); !errors.Is(err, errHelp) {
		t.Fatalf("error %v, want errHelp", err)
	}
	for _, want := range []string{
		"Examples:", "--dir", "--port", "--pod-ready-delay", "--fsync", "--audit-log", "--version",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not speak of %s", want)
		}
	}
}
