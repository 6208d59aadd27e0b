package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// kind is a kind of object as people write it.
type kind struct {
	// word is the name that messages and completion use.
	word string
	// aliases are accepted too.
	aliases []string
	// name is the kind of the API.
	name string
	// ofCluster is set for a kind of the whole cluster.
	ofCluster bool
}

// kinds in the order in which they are listed.
var kinds = []kind{
	{word: "release", aliases: []string{"hr", "helmrelease", "flhr"}, name: v1beta1.HelmReleaseKind},
	{word: "kustomization", aliases: []string{"ks", "flks"}, name: v1beta1.KustomizationKind},
	{word: "gitrepository", aliases: []string{"git", "gitrepo", "flgitrepo"}, name: v1beta1.GitRepositoryKind},
	{word: "helmrepository", aliases: []string{"helmrepo", "flhelmrepo"}, name: v1beta1.HelmRepositoryKind},
	{word: "ocirepository", aliases: []string{"oci", "ocirepo", "flocirepo"}, name: v1beta1.OCIRepositoryKind},
	{word: "bucket", aliases: []string{"s3", "flbucket"}, name: v1beta1.BucketKind},
	{word: "helmchart", aliases: []string{"hc", "flhc"}, name: v1beta1.HelmChartKind},
	{word: "artifactgenerator", aliases: []string{"ag", "flag"}, name: v1beta1.ArtifactGeneratorKind},
	{word: "externalartifact", aliases: []string{"ea", "flea"}, name: v1beta1.ExternalArtifactKind},
	{word: "receiver", aliases: []string{"rcv", "flrcv"}, name: v1beta1.ReceiverKind},
	{word: "pipeline", aliases: []string{"pipe", "releasepipeline", "flpipe"}, name: v1beta1.ReleasePipelineKind},
	{word: "promotion", aliases: []string{"promo", "flpromo"}, name: v1beta1.PromotionKind},
	{word: "freeze", aliases: []string{"releasefreeze", "flfreeze"}, name: v1beta1.ReleaseFreezeKind, ofCluster: true},
}

// Kinds that commands work on, where these are not all.
var (
	// reconciledWords are the kinds that are reconciled from a source or upstream.
	reconciledWords = []string{
		"release", "kustomization", "gitrepository", "helmrepository", "ocirepository", "bucket", "helmchart",
		"artifactgenerator", "externalartifact",
	}
	// suspendedWords are those with spec.suspend. An ExternalArtifact is suspended by its ArtifactGenerator.
	suspendedWords = slices.DeleteFunc(slices.Clone(reconciledWords),
		func(word string) bool { return word == "externalartifact" })
	// explainedWords are those, and pipelines.
	explainedWords = append(slices.Clone(reconciledWords), "pipeline")
	// eventWords are the kinds that the controller reports about.
	eventWords = append(slices.Clone(reconciledWords), "receiver", "pipeline", "promotion")
)

// completionTimeout keeps a shell from hanging on a cluster that does not answer.
const completionTimeout = 3 * time.Second

// maxSuggestedKinds is how many kinds a message offers.
const maxSuggestedKinds = 2

// kindByWord finds the kind by its word or an alias, in the singular or the plural, in any case, with or without the API group.
func kindByWord(word string) (kind, bool) {
	word = strings.TrimSuffix(strings.ToLower(word), "."+v1beta1.GroupVersion.Group)
	for _, k := range kinds {
		if k.plural() == word || slices.ContainsFunc(k.words(), func(w string) bool { return w == word || pluralOf(w) == word }) {
			return k, true
		}
	}
	return kind{}, false
}

// words are all names of the kind in the singular.
func (k kind) words() []string { return append([]string{k.word}, k.aliases...) }

// plural is the word of the kind for several objects.
func (k kind) plural() string { return pluralOf(k.word) }

// pluralOf is the plural of a word for a kind.
func pluralOf(word string) string {
	if stem, found := strings.CutSuffix(word, "y"); found {
		return stem + "ies"
	}
	return word + "s"
}

// kindByName finds the kind by its name in the API.
func kindByName(name string) (kind, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// resource is the kind as roles name it.
func (k kind) resource() string { return view.ResourceOf(k.name) }

// isSource reports whether the kind is one of sources.
func (k kind) isSource() bool { return slices.Contains(view.SourceKinds, k.name) }

// list is the noun of the command get that lists the kind.
func (k kind) list() string {
	if k.isSource() {
		return sourcesWord
	}
	return k.plural()
}

// describe names an object of the kind in messages.
func (k kind) describe(key types.NamespacedName) string {
	if k.ofCluster {
		return k.word + " " + key.Name
	}
	return k.word + " " + key.String()
}

// shown are the aliases that messages name: the short names of kubectl with the prefix fl are accepted and not named.
func (k kind) shown() []string {
	return slices.DeleteFunc(slices.Clone(k.aliases), func(alias string) bool { return strings.HasPrefix(alias, "fl") })
}

// kindList is every kind with its aliases, for messages; only some kinds where their words are given.
func kindList(only ...string) string {
	texts := make([]string, 0, len(kinds))
	for _, k := range kinds {
		if len(only) > 0 && !slices.Contains(only, k.word) {
			continue
		}
		texts = append(texts, k.word+" ("+strings.Join(k.shown(), ", ")+")")
	}
	return strings.Join(texts, ", ")
}

// kindTable is every kind with its aliases, for help texts; only some kinds where their words are given.
func kindTable(only ...string) string {
	var b strings.Builder
	for _, k := range kinds {
		if len(only) > 0 && !slices.Contains(only, k.word) {
			continue
		}
		fmt.Fprintf(&b, "\n  %-17s or %s", k.word, strings.Join(k.shown(), ", "))
	}
	return b.String()
}

// splitKindAndName makes KIND and NAME of KIND/NAME, the form in which kubectl prints objects. Other arguments stay as they are.
func splitKindAndName(args []string) []string {
	if len(args) == 0 {
		return args
	}
	word, name, found := strings.Cut(args[0], "/")
	if !found {
		return args
	}
	return append([]string{word, name}, args[1:]...)
}

// kindAndName reads the arguments KIND NAME, or KIND/NAME. Only the words in only are allowed, all when there are none.
func kindAndName(cmd *cobra.Command, args []string, only ...string) (kind, string, error) {
	args = splitKindAndName(args)
	if len(args) > 0 {
		k, known := kindByWord(args[0])
		switch {
		case !known:
			return k, "", unknownKind(cmd, args, only)
		case len(only) > 0 && !slices.Contains(only, k.word):
			return k, "", wrongKind(cmd, k, only, args[1:])
		}

		if len(args) == 2 && args[1] != "" {
			return k, args[1], nil
		}
	}

	return kind{}, "", usagef(cmd, "expected KIND and NAME, got %s", plural(len(args), "argument"))
}

// wrongKind says which command is for a kind that a command does not work on.
func wrongKind(cmd *cobra.Command, k kind, only, names []string) error {
	text := fmt.Sprintf("%s works on %s, not on %s", cmd.Name(), strings.Join(only, ", "), k.word)
	name := "NAME"
	if len(names) > 0 && names[0] != "" {
		name = names[0]
	}
	if instead := insteadOf(cmd.Name(), k, name); instead != "" {
		return usagef(cmd, "%s; use %q", text, instead)
	}
	return usagef(cmd, "%s", text)
}

// insteadOf is the command that does for a kind what comes closest to a command that does not work on it; empty for
// none.
func insteadOf(command string, k kind, name string) string {
	switch k.word {
	case "pipeline":
		instead := map[string]string{
			"tree": "board " + name, "reconcile": "status pipeline " + name,
			"rollback": "promote " + name + " STAGE --rollback",
			"suspend":  "hold pipeline " + name + " --stage STAGE --reason TEXT",
		}
		if line := instead[command]; line != "" {
			return "fairlead " + line
		}
	case "externalartifact":
		if command == "suspend" || command == "resume" {
			return "fairlead " + command + " artifactgenerator NAME"
		}
	case "freeze":
		if command == "suspend" || command == "resume" {
			return "fairlead unfreeze " + name
		}
	case "kustomization":
		instead := map[string]string{"render": "build", "history": "events"}
		if word := instead[command]; word != "" {
			return "fairlead " + word + " kustomization " + name
		}

		return ""
	case "release":
		if command == "build" {
			return "fairlead render release " + name
		}
		return ""
	}

	switch command {
	case "tree", "explain", "events", "logs", "wait":
		return "fairlead status " + k.word + " " + name
	case "history":
		return "fairlead events " + k.word + " " + name
	}

	return ""
}

// unknownKind says which kind was probably meant: one with a similar name or, where there is only one argument, the first kind
// that the command works on.
func unknownKind(cmd *cobra.Command, args, only []string) error {
	if near := similarKinds(args[0], completableKinds(only)); len(near) > 0 {
		return usagef(cmd, "unknown kind %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	if len(args) == 1 && len(validation.IsDNS1123Subdomain(args[0])) == 0 {
		line := cmd.CommandPath() + " " + completableKinds(only)[0] + " " + args[0]
		return usagef(cmd, "unknown kind %q; did you mean: %s?", args[0], line)
	}
	return usagef(cmd, "unknown kind %q; kinds: %s", args[0], kindList(only...))
}

// similarKinds are the words of the kinds whose word or alias resembles what was written.
func similarKinds(written string, words []string) []string {
	var candidates, out []string
	for _, word := range words {
		k, _ := kindByWord(word)
		candidates = append(candidates, k.words()...)
	}

	for _, near := range view.Similar(strings.ToLower(written), candidates, maxSuggestedKinds) {
		if k, known := kindByWord(near); known && !slices.Contains(out, k.word) {
			out = append(out, k.word)
		}
	}

	return out
}

// completeKindAndName completes the arguments KIND NAME; the names come from the cluster.
func (a *app) completeKindAndName(only ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			if word, name, found := strings.Cut(toComplete, "/"); found {
				return a.completeSlash(cmd.Context(), word, name, only), cobra.ShellCompDirectiveNoFileComp
			}
			return withPrefix(completableKinds(only), toComplete), cobra.ShellCompDirectiveNoFileComp
		case 1:
			k, known := kindByWord(args[0])
			if !known {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			return withPrefix(a.names(cmd.Context(), k), toComplete), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSlash completes KIND/NAME.
func (a *app) completeSlash(ctx context.Context, word, prefix string, only []string) []string {
	k, known := kindByWord(word)
	if !known || len(only) > 0 && !slices.Contains(only, k.word) {
		return nil
	}
	names := withPrefix(a.names(ctx, k), prefix)
	for i := range names {
		names[i] = word + "/" + names[i]
	}
	return names
}

func completableKinds(only []string) []string {
	if len(only) > 0 {
		return only
	}
	words := make([]string, 0, len(kinds))
	for _, k := range kinds {
		words = append(words, k.word)
	}
	return words
}

// names of the objects of the kind; none when the cluster cannot be asked, because a shell cannot show an error.
func (a *app) names(ctx context.Context, k kind) []string {
	c, err := a.open()
	if err != nil {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	namespace := c.namespace
	if k.ofCluster {
		namespace = ""
	}

	names, err := view.NewReader(c.client).Names(ctx, k.name, namespace)
	if err != nil {
		return nil
	}

	return names
}

func withPrefix(words []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, prefix) })
}
