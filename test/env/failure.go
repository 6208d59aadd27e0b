package env

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxLines is how many lines of a log ShowOnFailure shows.
const maxLines = 80

// ShowOnFailure logs, if the test has failed, what the objects of a namespace say in their conditions, the whole
// status of HelmReleases, and the last lines about the namespace in the log of each controller.
func (c *Cluster) ShowOnFailure(t T, namespace string) {
	if !t.Failed() {
		return
	}
	for gvk := range c.Client.Scheme().AllKnownTypes() {
		if gvk.GroupVersion() != v1beta1.GroupVersion || !strings.HasSuffix(gvk.Kind, "List") {
			continue
		}
		list, err := c.Client.Scheme().New(gvk)
		if err != nil {
			t.Log(err)
			continue
		}
		if objects, is := list.(client.ObjectList); is {
			c.show(t, strings.TrimSuffix(gvk.Kind, "List"), namespace, objects)
		}
	}
	for _, path := range c.controllerLogs() {
		if text := linesAbout(path, namespace); text != "" {
			t.Log(text)
		}
	}
}

// show logs what the objects of one kind say.
func (c *Cluster) show(t T, kind, namespace string, list client.ObjectList) {
	// The context of a test that is over is done.
	if err := c.Client.List(context.Background(), list, client.InNamespace(namespace)); err != nil {
		t.Log(err)
		return
	}
	_ = meta.EachListItem(list, func(item runtime.Object) error { // no call returns an error
		if object, is := item.(Conditioned); is {
			t.Log(describe(kind, object))
		}
		return nil
	})
}

// describe shows the conditions one a line, and the whole status of a HelmRelease.
func describe(kind string, object Conditioned) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s/%s, generation %d:\n", kind, object.GetNamespace(), object.GetName(), object.GetGeneration())
	for _, is := range object.GetConditions() {
		fmt.Fprintf(&text, "  %s %s at %d since %s, %s: %s\n", is.Type, is.Status, is.ObservedGeneration,
			is.LastTransitionTime.UTC().Format("15:04:05"), is.Reason, is.Message)
	}
	if hr, is := object.(*v1beta1.HelmRelease); is {
		fmt.Fprintf(&text, "  %+v", hr.Status)
	}
	return text.String()
}

// controllerLogs are the logs of the controllers that were started against the cluster.
func (c *Cluster) controllerLogs() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.logs)
}

// logsTo records where a controller writes its log.
func (c *Cluster) logsTo(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.logs, path) {
		c.logs = append(c.logs, path)
	}
}

// linesAbout returns the last lines of a log that name a namespace; empty for none, and for a log that was removed.
func linesAbout(path, namespace string) string {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	var found []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.Contains(lines.Text(), namespace) && !strings.Contains(lines.Text(), `"logger":"events"`) { // logged twice
			found = append(found, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		found = append(found, err.Error())
	}
	if len(found) == 0 {
		return ""
	}
	found = found[max(0, len(found)-maxLines):]
	return fmt.Sprintf("%s says of %s:\n%s", path, namespace, strings.Join(found, "\n"))
}
