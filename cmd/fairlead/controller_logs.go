package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	// maxLogLine bounds one line of the log, in bytes.
	maxLogLine = 1 << 20
	// maxControllerLog bounds what is read of the log of one pod that is not followed, in bytes.
	maxControllerLog = 64 << 20
	// defaultTail is how many lines of each pod are looked at.
	defaultTail = 10_000
)

// logLevels from the least to the gravest.
var logLevels = []string{"debug", "info", "warn", "error"}

// controllerLogs opens the logs of the pods of the controller in a namespace, which is looked up when it is empty. The caller
// closes them.
type controllerLogs func(ctx context.Context, namespace string, options *corev1.PodLogOptions) ([]io.ReadCloser, error)

// controllerLogsOf reads with the rights of the configuration.
func controllerLogsOf(config *rest.Config) controllerLogs {
	return func(ctx context.Context, namespace string, options *corev1.PodLogOptions) ([]io.ReadCloser, error) {
		clients, err := kubernetes.NewForConfig(config)
		if err != nil {
			return nil, fmt.Errorf("prepare a client: %w", err)
		}

		pods, err := controllerPods(ctx, clients, namespace)
		if err != nil {
			return nil, err
		}

		var out []io.ReadCloser
		for _, pod := range pods {
			stream, err := clients.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
			if apierrors.IsForbidden(err) {
				err = &view.RequestError{Verb: "get", Resource: "pods/log", Namespace: pod.Namespace, Err: err}
			}
			if err != nil {
				closeAll(out)
				return nil, fmt.Errorf("read the log of pod %s: %w", pod.Name, err)
			}

			out = append(out, stream)
		}

		return out, nil
	}
}

// controllerPods lists the pods of the controller: those of the namespace, else those of the namespace in which Fairlead is
// installed by default, else those of all namespaces, by their labels.
func controllerPods(ctx context.Context, clients kubernetes.Interface, namespace string) ([]corev1.Pod, error) {
	list := func(namespace string) ([]corev1.Pod, error) {
		found, err := clients.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: install.ControllerSelector})
		if err != nil {
			return nil, &view.RequestError{Verb: "list", Resource: "pods", Namespace: namespace, Err: err}
		}

		for i := range found.Items {
			found.Items[i].Namespace = cmp.Or(found.Items[i].Namespace, namespace)
		}

		return found.Items, nil
	}
	if namespace != "" {
		return list(namespace)
	}

	pods, err := list(install.Namespace)
	if err == nil && len(pods) > 0 {
		return pods, nil
	}

	everywhere, allErr := list("")
	switch {
	case allErr == nil:
		return everywhere, nil
	case err != nil:
		return nil, err
	case apierrors.IsForbidden(allErr):
		return nil, nil
	}

	return nil, allErr
}

func closeAll(streams []io.ReadCloser) {
	for _, stream := range streams {
		_ = stream.Close() // they were only read
	}
}

// logFlags are the flags of the command logs.
type logFlags struct {
	all    bool
	follow bool
	since  time.Duration
	level  string
	// namespace is where the controller runs; empty when it is looked up.
	namespace string
}

func newLogsCommand(a *app) *cobra.Command {
	f := &logFlags{}
	cmd := &cobra.Command{
		Use:   "logs [KIND [NAME]]",
		Short: "Print what the controller has logged, of all objects or of one",
		Long: `Print the log of the controller, that of all its replicas in the order of time. With KIND only the lines
about objects of that kind in the namespace, with NAME only those about one object. -o json prints the lines as they
are, one object each.

The pods of the controller are read with your own rights. They are looked up by their labels, in namespace
` + install.Namespace + ` first, then in all namespaces; --controller-namespace names the namespace. A controller that
runs outside of the cluster, as with make run, has no pods: its log is where it was started.

Kinds:` + kindTable(eventWords...),
		Example: `  fairlead logs release shop -n web
  fairlead logs --level error --since 1h
  fairlead logs kustomizations -A --follow
  fairlead logs -o json | jq -r .msg`,
		ValidArgsFunction: a.completeKindAndName(eventWords...),
	}
	a.addClusterFlags(cmd)
	cmd.Flags().BoolVarP(&f.all, "all-namespaces", "A", false, "objects of all namespaces, whatever --namespace says")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "print further lines as they are written")
	cmd.Flags().DurationVar(&f.since, "since", 0, "only lines that are younger, for example 1h")
	cmd.Flags().StringVar(&f.namespace, "controller-namespace", "", "namespace of the controller, looked up when left out")
	cmd.Flags().StringVar(&f.level, "level", "", "only lines of this level and above: "+strings.Join(logLevels, ", "))
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("level", cobra.FixedCompletions(logLevels, cobra.ShellCompDirectiveNoFileComp))
	out := addOutputFlag(cmd, outputJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.level != "" && !slices.Contains(logLevels, f.level) {
			return usagef(cmd, "unknown level %q; levels: %s", f.level, strings.Join(logLevels, ", "))
		}
		if f.since < 0 {
			return usagef(cmd, "--since %s: write a time above 0, for example 1h", f.since)
		}

		about, err := eventFilter(cmd, args)
		if err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}
		if about.Kind != "" && !f.all {
			about.Namespace = c.namespace
		}

		return a.printLogs(cmd.Context(), c, logFilter{EventFilter: about, level: f.level}, f, out)
	}
	return cmd
}

// logFilter chooses lines of the log.
type logFilter struct {
	view.EventFilter
	level string
}

// logLine is a line of the log.
type logLine struct {
	text    string
	time    time.Time
	level   string
	message string
	object  view.Reference
	fault   string
	// order is the time that the line is sorted by.
	order time.Time
}

// readLine reads a line of the log. One that is no JSON is its own message.
func readLine(text string) logLine {
	line := logLine{text: text, message: text}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return line
	}

	line.message = ""
	for field, into := range map[string]any{
		"time": &line.time, "level": &line.level, "msg": &line.message, "error": &line.fault,
	} {
		if raw, found := fields[field]; found {
			_ = json.Unmarshal(raw, into) // a field of another type is not shown
		}
	}

	for _, k := range kinds {
		var object struct{ Namespace, Name string }
		if raw, found := fields[k.name]; found && json.Unmarshal(raw, &object) == nil {
			line.object = view.Reference{Kind: k.name, Namespace: object.Namespace, Name: object.Name}
		}
	}

	return line
}

// matches reports whether a line is asked for. A line without a level counts as one of the gravest.
func (f logFilter) matches(line logLine) bool {
	level := slices.Index(logLevels, strings.ToLower(line.level))
	if level >= 0 && level < slices.Index(logLevels, f.level) {
		return false
	}
	return (f.Kind == "" || f.Kind == line.object.Kind) && (f.Name == "" || f.Name == line.object.Name) &&
		(f.Namespace == "" || f.Namespace == line.object.Namespace)
}

// printLogs prints the lines that are asked for. The end of ctx is no error when they are followed.
func (a *app) printLogs(ctx context.Context, c *connection, filter logFilter, f *logFlags, out *output) error {
	tail := int64(defaultTail)
	bytes := int64(maxControllerLog)
	options := &corev1.PodLogOptions{Container: install.ControllerContainer, TailLines: &tail, Follow: f.follow}
	if !f.follow {
		options.LimitBytes = &bytes
	}

	if seconds := int64(f.since.Round(time.Second).Seconds()); f.since > 0 {
		seconds = max(1, seconds)
		options.SinceSeconds = &seconds
	}

	streams, err := c.controllerLogs(ctx, f.namespace, options)
	if err != nil {
		return err
	}

	defer closeAll(streams)
	if len(streams) == 0 {
		return noController(c, f.namespace)
	}
	if f.follow {
		return a.followLogs(ctx, streams, filter, out)
	}

	lines, err := linesInOrder(streams)
	if err != nil {
		return err
	}

	printed := 0
	for _, line := range lines {
		if filter.matches(line) {
			a.printLogLine(line, out)
			printed++
		}
	}

	if printed == 0 {
		a.note("no such lines in the log of the controller")
	}

	return nil
}

// noController says where no pod of the controller was found, and what can be done.
func noController(c *connection, namespace string) error {
	if namespace != "" {
		return fmt.Errorf("no pod of the controller is in namespace %s (%s); "+
			"without --controller-namespace the command looks for it", namespace, c.describe())
	}
	return fmt.Errorf("no pod of the controller is in namespace %s, nor in another one that you may list pods of (%s); "+
		"name its namespace with --controller-namespace; "+
		"a controller outside of the cluster, as with make run, logs where it was started",
		install.Namespace, c.describe())
}

// linesInOrder reads the lines of all streams and sorts them by time. A line without one stays behind the line
// before it.
func linesInOrder(streams []io.ReadCloser) ([]logLine, error) {
	var lines []logLine
	for _, stream := range streams {
		var last time.Time
		err := scanLog(stream, func(line logLine) {
			if line.order = line.time; line.order.IsZero() {
				line.order = last
			}

			last = line.order
			lines = append(lines, line)
		})
		if err != nil {
			return nil, err
		}
	}

	slices.SortStableFunc(lines, func(x, y logLine) int { return x.order.Compare(y.order) })
	return lines, nil
}

// followLogs prints lines as they come, until all streams or ctx end.
func (a *app) followLogs(ctx context.Context, streams []io.ReadCloser, filter logFilter, out *output) error {
	lines := make(chan logLine)
	ended := make(chan error, len(streams))
	for _, stream := range streams {
		guard.Go("reading a log", func() {
			ended <- scanLog(stream, func(line logLine) {
				select {
				case lines <- line:
				case <-ctx.Done():
				}
			})
		})
	}

	for open := len(streams); open > 0; {
		select {
		case line := <-lines:
			if filter.matches(line) {
				a.printLogLine(line, out)
			}
		case err := <-ended:
			if err != nil && ctx.Err() == nil {
				return err
			}
			open--
		case <-ctx.Done():
			return nil
		}
	}

	return nil
}

func scanLog(stream io.Reader, take func(logLine)) error {
	scanner := bufio.NewScanner(stream)
	scanner.Buffer(nil, maxLogLine)
	for scanner.Scan() {
		if text := strings.TrimSpace(scanner.Text()); text != "" {
			take(readLine(text))
		}
	}

	if err := scanner.Err(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("read the log of the controller: %w", err)
	}

	return nil
}

// printLogLine prints a line: the time, the level, the object and the message; for programs as it is, one that is
// no JSON as an object with the message.
func (a *app) printLogLine(line logLine, out *output) {
	if out.machine() {
		text := line.text
		if !json.Valid([]byte(text)) {
			quoted, _ := json.Marshal(map[string]string{"msg": text}) // a map of texts can always be written
			text = string(quoted)
		}
		fmt.Fprintln(a.out, text)
		return
	}

	parts := []string{line.message}
	if line.object.Name != "" {
		parts[0] = line.object.Kind + "/" + line.object.Name + " in " + line.object.Namespace + ": " + line.message
	}
	if line.fault != "" {
		parts = append(parts, line.fault)
	}

	lead := ""
	if !line.time.IsZero() {
		lead = line.time.UTC().Format(time.RFC3339) + " "
	}
	if line.level != "" {
		lead += fmt.Sprintf("%-5s ", strings.ToLower(line.level))
	}

	fmt.Fprintln(a.out, hang(lead, oneLine(strings.Join(parts, ": ")), "  ", a.outWidth))
}
