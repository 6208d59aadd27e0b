package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/view"
)

const (
	// logLines is how many lines of a container that crashed are shown.
	logLines = 10
	// maxLogBytes bounds what is read of them.
	maxLogBytes = 16 << 10
	// logTimeout bounds how long they are waited for.
	logTimeout = 10 * time.Second
)

// logReader reads the last lines of the run of a container that crashed.
type logReader func(ctx context.Context, crash view.Crash) ([]string, error)

// logsOf reads with the rights of the configuration. Nothing is asked before the first call.
func logsOf(config *rest.Config) logReader {
	return func(ctx context.Context, crash view.Crash) ([]string, error) {
		clients, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("prepare a client: %w", err)
		}

		ctx, cancel := context.WithTimeout(ctx, logTimeout)
		defer cancel()
		lines := int64(logLines)
		bytes := int64(maxLogBytes)
		stream, err := clients.CoreV1().Pods(crash.Namespace).GetLogs(crash.Pod, &corev1.PodLogOptions{
			Container: crash.Container, Previous: crash.Previous, TailLines: &lines, LimitBytes: &bytes,
		}).Stream(ctx)
		if err != nil {
			return nil, err
		}

		defer stream.Close()
		content, err := io.ReadAll(io.LimitReader(stream, maxLogBytes))
		if err != nil {
			return nil, err
		}

		return lastLines(string(content)), nil
	}
}

// lastLines cleans lines: what wrote them must not steer the terminal.
func lastLines(content string) []string {
	var out []string
	for line := range strings.Lines(content) {
		if line = oneLine(line); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-logLines):]
}
