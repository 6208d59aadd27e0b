package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// freezeFlags are the flags of the command freeze.
type freezeFlags struct {
	reason      string
	namespaces  []string
	selector    string
	from, until string
	lasts       time.Duration
}

func newFreezeCommand(a *app) *cobra.Command {
	f := &freezeFlags{}
	cmd := &cobra.Command{
		Use:   "freeze NAME --reason TEXT",
		Short: "Stop promotions, new charts and revisions, by a ReleaseFreeze",
		Long: `Stop promotions of pipelines, new charts of HelmReleases and new revisions of the sources of Kustomizations
for a time, by creating a ReleaseFreeze. It begins now, or at --from, and ends at --until, after --for, or when it is
removed by "fairlead unfreeze". It never holds a rollback or a repair. Without --namespaces it is about all
namespaces, and without --selector about all pipelines, HelmReleases and Kustomizations in them.`,
		Example: `  fairlead freeze sale --reason 'the sale' --until 2026-11-30T06:00:00Z
  fairlead freeze incident --reason INC-1234 --namespaces web,shop --for 4h
  fairlead freeze front --reason 'the sale' --selector tier=front --for 72h`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	a.addConnectionFlags(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why")
	cmd.Flags().StringSliceVar(&f.namespaces, "namespaces", nil, "namespaces, all when left out")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "",
		"only pipelines, HelmReleases and Kustomizations with these labels, for example tier=front")
	cmd.Flags().StringVar(&f.from, "from", "", "when it begins, for example 2026-11-27T18:00:00Z; now when left out")
	cmd.Flags().StringVar(&f.until, "until", "", "when it ends, for example 2026-11-30T06:00:00+01:00")
	cmd.Flags().DurationVar(&f.lasts, "for", 0, "how long it lasts, for example 4h")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("reason", cobra.NoFileCompletions)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		freeze, err := f.read(cmd, args, a.now())
		if err != nil {
			return err
		}

		return a.freeze(cmd.Context(), freeze)
	}
	return cmd
}

// read makes a ReleaseFreeze of the command line.
func (f *freezeFlags) read(cmd *cobra.Command, args []string, now time.Time) (*v1beta1.ReleaseFreeze, error) {
	name, err := freezeName(cmd, args)
	if err != nil {
		return nil, err
	}

	from, err := timeFlag(cmd, "from", f.from)
	if err != nil {
		return nil, err
	}

	until, err := timeFlag(cmd, "until", f.until)
	if err != nil {
		return nil, err
	}

	selector, err := labelFlag(cmd, f.selector)
	if err != nil {
		return nil, err
	}

	begin := now
	if from != nil {
		begin = from.Time
	}

	forSet := cmd.Flags().Changed("for")
	switch {
	case f.reason == "":
		return nil, usagef(cmd, "--reason is missing")
	case forSet && until != nil:
		return nil, usagef(cmd, "--until and --for exclude each other")
	case forSet && f.lasts <= 0:
		return nil, usagef(cmd, "--for %s: write a time above 0, for example 4h", f.lasts)
	case forSet:
		end := metav1.NewTime(begin.Add(f.lasts).Truncate(time.Second))
		until = &end
	}

	if until != nil && (!until.After(begin) || !until.After(now)) {
		return nil, usagef(cmd, "the freeze would end at %s, before it begins or in the past", timeText(until))
	}

	freeze := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: name}}
	freeze.Spec.Reason = f.reason
	freeze.Spec.Namespaces = f.namespaces
	freeze.Spec.From = from
	freeze.Spec.Until = until
	freeze.Spec.Selector = selector
	return freeze, nil
}

// labelFlag reads --selector; nil for an empty one.
func labelFlag(cmd *cobra.Command, text string) (*metav1.LabelSelector, error) {
	if text == "" {
		return nil, nil
	}
	selector, err := metav1.ParseToLabelSelector(text)
	if err != nil {
		return nil, usagef(cmd, "--selector %q: %s", text, err)
	}
	return selector, nil
}

// freezeName reads the argument NAME, or freeze/NAME.
func freezeName(cmd *cobra.Command, args []string) (string, error) {
	if len(args) != 1 {
		return "", usagef(cmd, "expected NAME, got %s", plural(len(args), "argument"))
	}

	name := args[0]
	if parts := splitKindAndName(args); promotionList(parts[:1]) == "freezes" && len(parts) == 2 {
		name = parts[1]
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return "", usagef(cmd, "%q is not a valid name: lower case letters, digits, - and . only", name)
	}

	return name, nil
}

// timeFlag reads a time; nil for an empty one.
func timeFlag(cmd *cobra.Command, flag, text string) (*metav1.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usagef(cmd, "--%s %q is not a time; write for example 2026-11-30T06:00:00Z", flag, text)
	}
	at := metav1.NewTime(t.UTC())
	return &at, nil
}

func (a *app) freeze(ctx context.Context, freeze *v1beta1.ReleaseFreeze) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	err = c.client.Create(ctx, freeze, fieldManager, client.FieldValidation(metav1.FieldValidationStrict))
	switch {
	case apierrors.IsAlreadyExists(err):
		return fmt.Errorf("freeze %s exists already; choose another name, or remove it: fairlead unfreeze %s",
			freeze.Name, freeze.Name)
	case err != nil:
		return requestError("create", "releasefreezes", "", freeze.Name, err)
	}

	a.say("freeze %s holds %s: %s", freeze.Name, freezeScope(freeze), freeze.Spec.Reason)
	if freeze.Spec.Until == nil {
		a.note("It has no end; to end it: fairlead unfreeze %s", freeze.Name)
	}

	return nil
}

// freezeScope says what a freeze holds, and when.
func freezeScope(f *v1beta1.ReleaseFreeze) string {
	text := "promotions and new charts in "
	switch n := len(f.Spec.Namespaces); n {
	case 0:
		text += "all namespaces"
	case 1:
		text += "namespace " + f.Spec.Namespaces[0]
	default:
		text += "namespaces " + strings.Join(f.Spec.Namespaces, ", ")
	}

	if f.Spec.Selector != nil {
		text += " with labels " + metav1.FormatLabelSelector(f.Spec.Selector)
	}
	if f.Spec.From != nil {
		text += " from " + timeText(f.Spec.From)
	}
	if f.Spec.Until != nil {
		text += " until " + timeText(f.Spec.Until)
	}

	return text
}

func newUnfreezeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "unfreeze NAME",
		Short:             "End a freeze, by deleting its ReleaseFreeze",
		Example:           `  fairlead unfreeze sale`,
		ValidArgsFunction: a.completeFreezes,
	}
	a.addConnectionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := freezeName(cmd, args)
		if err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		err = c.client.Delete(cmd.Context(), &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: name}})
		switch {
		case apierrors.IsNotFound(err):
			return fmt.Errorf("freeze %s does not exist; to list freezes: fairlead get freezes", name)
		case err != nil:
			return requestError("delete", "releasefreezes", "", name, err)
		}

		a.say("freeze %s is removed", name)
		return nil
	}
	return cmd
}

// completeFreezes completes the name of a freeze.
func (a *app) completeFreezes(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}

	names := a.completing(cmd.Context(), func(ctx context.Context, c *connection) (names []string) {
		list := &v1beta1.ReleaseFreezeList{}
		if err := c.client.List(ctx, list); err != nil {
			return nil
		}

		for _, f := range list.Items {
			names = append(names, f.Name)
		}

		return names
	})
	return withPrefix(names, toComplete), cobra.ShellCompDirectiveNoFileComp
}
