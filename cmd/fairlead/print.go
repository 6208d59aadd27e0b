package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Output formats; the empty one is the table or the screen.
const (
	outputWide = "wide"
	outputJSON = "json"
	outputYAML = "yaml"
)

// output is the value of -o.
type output struct {
	format string
}

// addOutputFlag adds -o with the formats that the command has.
func addOutputFlag(cmd *cobra.Command, formats ...string) *output {
	o := &output{}
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "output format: "+strings.Join(formats, ", "))
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	previous := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if o.format != "" && !slices.Contains(formats, o.format) {
			return usagef(cmd, "unknown output format %q; formats: %s", o.format, strings.Join(formats, ", "))
		}
		if previous != nil {
			return previous(cmd, args)
		}
		return nil
	}
	return o
}

// machine reports whether the output is for programs.
func (o *output) machine() bool { return o.format == outputJSON || o.format == outputYAML }

// wide reports whether the table has all its columns.
func (o *output) wide() bool { return o.format == outputWide }

// write prints the value for programs. Both formats have the same fields.
func (o *output) write(w io.Writer, value any) error {
	var data []byte
	var err error
	if o.format == outputYAML {
		data, err = yaml.Marshal(value)
	} else {
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(value)
		data = buffer.Bytes()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.format, err)
	}
	_, err = w.Write(data)
	return err
}

// age is how long ago it was, the way kubectl prints it.
func (a *app) age(t *metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(max(0, a.now().Sub(t.Time)))
}

// chartText is name-version, empty without a chart.
func chartText(c *v1beta1.ChartRevision) string {
	if c == nil {
		return ""
	}
	return c.Name + "-" + c.Version
}

func digestText(c *v1beta1.ChartRevision) string {
	if c == nil {
		return ""
	}
	return v1beta1.ShortDigest(c.Digest)
}

// revisionText shortens the hash at the end of an artifact's revision: main@sha1:4f3c….
func revisionText(revision string) string {
	colon := strings.LastIndexByte(revision, ':')
	if colon < 0 || len(revision)-colon < 40 {
		return revision
	}
	return revision[:colon+1] + v1beta1.ShortDigest(revision[colon+1:])
}

// tableWidth is how wide a table may be, 0 for no bound: a wide table is as wide as its cells.
func (a *app) tableWidth(out *output) int {
	if out.wide() {
		return 0
	}
	return a.outWidth
}

var escapeSequence = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// oneLine makes one line of text without control characters and what steers a terminal.
func oneLine(text string) string {
	text = escapeSequence.ReplaceAllString(text, "")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// orNone stands for an empty text.
func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// plural gives "1 object" or "3 objects".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
