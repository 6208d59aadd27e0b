package main

import (
	"embed"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// The simulation of nodes and pods. A *.yaml file is one kwok Stage; the other files are pieces that stages include.
//
//go:embed stages
var stageFiles embed.FS

// includeLine is a line that stands for a whole file; the indentation before it is given to each of its lines, so that
// the file lands inside a YAML block scalar.
var includeLine = regexp.MustCompile(`(?m)^( *)\$\(include ([a-z.-]+)\)$`)

// kwokOptions raises how many pods are played at the same time: one patch at a time per worker is what limits a wave of pods.
// The others are kwok's defaults, which it does not apply to a configuration file that names only some.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 4
  nodeLeaseParallelism: 4
  nodeLeaseDurationSeconds: 40
  podsOnNodeSyncParallelism: 1
`

// simulationConfig is the configuration file for kwok: its options and every stage, with the readiness delay filled in.
func simulationConfig(podReadyDelay time.Duration) (string, error) {
	entries, err := stageFiles.ReadDir("stages")
	if err != nil {
		return "", fmt.Errorf("list embedded stages: %w", err)
	}
	documents := []string{kwokOptions}
	for _, entry := range entries {
		if path.Ext(entry.Name()) != ".yaml" {
			continue
		}
		stage, err := expandStage(entry.Name(), podReadyDelay)
		if err != nil {
			return "", err
		}
		documents = append(documents, stage)
	}
	return strings.Join(documents, "---\n"), nil
}

// expandStage returns one stage file with its includes and values in place.
func expandStage(name string, podReadyDelay time.Duration) (string, error) {
	text, err := stageFiles.ReadFile("stages/" + name)
	if err != nil {
		return "", fmt.Errorf("read embedded stage %s: %w", name, err)
	}
	var missing error
	expanded := includeLine.ReplaceAllStringFunc(string(text), func(line string) string {
		parts := includeLine.FindStringSubmatch(line)
		piece, err := stageFiles.ReadFile("stages/" + parts[2])
		if err != nil {
			missing = fmt.Errorf("stage %s includes %s: %w", name, parts[2], err)
			return line
		}
		return indent(strings.TrimRight(string(piece), "\n"), parts[1])
	})
	values := strings.NewReplacer(
		"$(podReadyDelay)", podReadyDelay.String(),
		"$(delayed)", fmt.Sprint(podReadyDelay > 0),
	)
	return values.Replace(expanded), missing
}

// indent puts the prefix before each line that is not empty.
func indent(text, prefix string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = prefix + line
		}
	}
	return strings.Join(lines, "\n")
}
