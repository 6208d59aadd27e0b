package kustomization

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/window"
)

// gatherer finds what a Kustomization is made of and whether its time has come. Looking again while nothing has changed
// costs no request.
type gatherer struct {
	catalog           *catalog.Catalog
	trees             *trees
	builder           Builder
	identities        refs.Identities
	documents         *refs.Documents
	dependencies      *refs.Dependencies
	dependencyWatcher *refs.DependencyWatcher
	// defaultServiceAccount is the identity of Kustomizations that name none; empty is the controller itself.
	defaultServiceAccount string
	// approvals are what users decided about plans.
	approvals refs.PlanApprovals
	// noFreezes leaves ReleaseFreezes out.
	noFreezes bool

	mu    sync.Mutex
	rules map[types.NamespacedName]rules
}

// rules are the health checks and drift rules of a Kustomization, each generation compiled once.
type rules struct {
	uid        types.UID
	generation int64
	health     *health.Rules
	ignore     *drift.Rules
	err        error
}

// inputs are what decides about the objects of a Kustomization.
type inputs struct {
	choice   catalog.ChartRef
	artifact v1beta1.Artifact
	access   cluster.Access
	health   *health.Rules
	ignore   *drift.Rules
	materials
	// windows and freezes can keep them from being applied.
	windows window.Calendar
	freezes []plan.Freeze
	// former are the same inputs with the artifact that was applied last; nil when they have that one, and when nothing
	// can keep them from being applied.
	former *inputs
	// digest tells one set of inputs from another.
	digest string
}

// gather finds the artifact, the identity, the variables and the keys.
func (g *gatherer) gather(ctx context.Context, k *v1beta1.Kustomization) (inputs, error) {
	g.documents.Name(client.ObjectKeyFromObject(k), documentsOf(k)...)
	in := inputs{choice: choiceOf(k)}
	if err := g.admit(k, in.choice); err != nil {
		return inputs{}, err
	}

	compiled := g.rulesOf(k)
	if compiled.err != nil {
		return inputs{}, compiled.err
	}

	in.health = compiled.health
	in.ignore = compiled.ignore
	var err error
	if in.access, err = g.access(ctx, k); err != nil {
		return inputs{}, err
	}
	if in.artifact, err = g.catalog.Artifact(ctx, in.choice); err != nil {
		return inputs{}, obstacleOf(err)
	}
	if in.materials, err = readDocument(g.documents.Get).materials(ctx, k); err != nil {
		return inputs{}, err
	}

	in.digest = digestOf(k, in)
	return in, g.holds(ctx, k, &in)
}

// dependenciesAtRevision checks that the Kustomizations of spec.dependsOn which follow the same source have applied the
// revision that is to be applied: that they are ready says nothing about it while they have an older one.
func (g *gatherer) dependenciesAtRevision(ctx context.Context, k *v1beta1.Kustomization, in inputs) error {
	var found []v1beta1.Kustomization
	for _, reference := range k.Spec.DependsOn {
		if !reference.IsOwn(v1beta1.KustomizationKind) || reference.ReadyExpr != "" {
			continue
		}

		key := reference.GetKey(k.Namespace)
		dependency := v1beta1.Kustomization{}
		if err := g.dependencies.Objects.Get(ctx, key, &dependency); err != nil {
			return fmt.Errorf("reading Kustomization %s of spec.dependsOn: %w", key, err)
		}

		found = append(found, dependency)
	}

	if behind := plan.Behind(k, in.artifact.Revision, found); behind != "" {
		return refs.RetryableObstacle(v1beta1.DependencyNotReadyReason, "%s", behind)
	}

	return nil
}

// admit checks what the spec says by itself.
func (g *gatherer) admit(k *v1beta1.Kustomization, choice catalog.ChartRef) error {
	if err := refs.Supported(k); err != nil {
		return err
	}
	if g.dependencies.OwnNamespace && choice.Namespace != k.Namespace {
		return refs.CrossNamespaceObstacle("spec.sourceRef",
			fmt.Sprintf("%s %s/%s", choice.Kind, choice.Namespace, choice.Name))
	}

	for i, check := range k.Spec.HealthChecks {
		if version, err := schema.ParseGroupVersion(check.APIVersion); err != nil || version.Version == "" {
			return refs.TerminalObstacle(v1beta1.InvalidReferenceReason,
				"spec.healthChecks[%d]: apiVersion %q is not of the form group/version", i, check.APIVersion)
		}
	}

	return g.dependencies.Admit(k)
}

func (g *gatherer) access(ctx context.Context, k *v1beta1.Kustomization) (cluster.Access, error) {
	return g.identities.Access(ctx, k.Namespace, k.GetServiceAccountName(g.defaultServiceAccount), k.Spec.KubeConfig)
}

// rulesOf compiles the rules of a Kustomization.
func (g *gatherer) rulesOf(k *v1beta1.Kustomization) rules {
	key := client.ObjectKeyFromObject(k)
	g.mu.Lock()
	defer g.mu.Unlock()
	known, is := g.rules[key]
	if is && known.uid == k.UID && known.generation == k.Generation {
		return known
	}

	known = rules{uid: k.UID, generation: k.Generation}
	var err error
	if known.health, err = health.NewRules(k.Spec.HealthCheckExprs); err != nil {
		known.err = refs.TerminalObstacle(v1beta1.InvalidCELExpressionReason, "%s", err)
	} else if known.ignore, err = drift.Compile(k.Spec.Ignore); err != nil {
		known.err = refs.TerminalObstacle(v1beta1.InvalidDriftRuleReason, "spec.ignore: %s", err)
	}

	if g.rules == nil {
		g.rules = map[types.NamespacedName]rules{}
	}

	g.rules[key] = known
	return known
}

// readDocument reads a ConfigMap or Secret.
type readDocument func(ctx context.Context, key refs.Document) (map[string][]byte, error)

func (read readDocument) materials(ctx context.Context, k *v1beta1.Kustomization) (m materials, err error) {
	if m.variables, m.secrets, err = read.variables(ctx, k); err != nil {
		return m, err
	}
	m.keys, err = read.keys(ctx, k)
	return m, err
}

// variables are those of spec.postBuild, and what of them came from Secrets.
func (read readDocument) variables(
	ctx context.Context, k *v1beta1.Kustomization,
) (found map[string]string, secrets map[string]any, err error) {
	if k.Spec.PostBuild == nil {
		return nil, nil, nil
	}

	found = map[string]string{}
	secrets = map[string]any{}
	for i, reference := range k.Spec.PostBuild.SubstituteFrom {
		name := types.NamespacedName{Namespace: k.Namespace, Name: reference.Name}
		data, err := read(ctx, refs.Document{Kind: reference.Kind, NamespacedName: name})
		switch {
		case apierrors.IsNotFound(err) && reference.Optional:
			continue
		case apierrors.IsNotFound(err):
			return nil, nil, refs.RetryableObstacle(v1beta1.SubstitutionFailedReason,
				"%s %s of spec.postBuild.substituteFrom[%d] does not exist"+
					"; the controller continues when it is created", reference.Kind, name, i)
		case apierrors.IsForbidden(err):
			return nil, nil, refs.RetryableObstacle(v1beta1.AccessDeniedReason,
				"Fairlead may not read %s %s of spec.postBuild.substituteFrom[%d]",
				reference.Kind, name, i)
		case err != nil:
			return nil, nil, fmt.Errorf("spec.postBuild.substituteFrom[%d]: %w", i, err)
		}

		for key, value := range data {
			if !utf8.Valid(value) {
				continue // a variable is text
			}

			// A line break at the end is nearly always that of a file.
			found[key] = strings.TrimSuffix(string(value), "\n")
			if reference.Kind == "Secret" {
				secrets[fmt.Sprintf("%d/%s", i, key)] = found[key]
			}
		}
	}

	maps.Copy(found, k.Spec.PostBuild.Substitute)
	return found, secrets, nil
}

// keys are those of spec.decryption.
func (read readDocument) keys(ctx context.Context, k *v1beta1.Kustomization) (map[string][]byte, error) {
	if k.Spec.Decryption == nil || k.Spec.Decryption.SecretRef == nil {
		return nil, nil
	}

	name := types.NamespacedName{Namespace: k.Namespace, Name: k.Spec.Decryption.SecretRef.Name}
	data, err := read(ctx, refs.Document{Kind: "Secret", NamespacedName: name})
	switch {
	case apierrors.IsNotFound(err):
		return nil, refs.RetryableObstacle(v1beta1.DecryptionFailedReason,
			"Secret %s of spec.decryption does not exist; the controller continues when it is created", name)
	case apierrors.IsForbidden(err):
		return nil, refs.RetryableObstacle(v1beta1.AccessDeniedReason, "Fairlead may not read Secret %s of spec.decryption",
			name)
	case err != nil:
		return nil, fmt.Errorf("spec.decryption: %w", err)
	}

	return data, nil
}

func (g *gatherer) forget(key types.NamespacedName) {
	g.documents.Name(key)
	g.dependencyWatcher.Forget(key)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.rules, key)
}

// documentsOf names the ConfigMaps and Secrets of a Kustomization.
func documentsOf(k *v1beta1.Kustomization) []refs.Document {
	var out []refs.Document
	add := func(kind, name string) {
		out = append(out, refs.Document{Kind: kind, NamespacedName: types.NamespacedName{Namespace: k.Namespace, Name: name}})
	}
	if k.Spec.PostBuild != nil {
		for _, reference := range k.Spec.PostBuild.SubstituteFrom {
			add(reference.Kind, reference.Name)
		}
	}

	if d := k.Spec.Decryption; d != nil && d.SecretRef != nil {
		add("Secret", d.SecretRef.Name)
	}
	if secret := k.Spec.KubeConfig.GetSecret(); secret.Name != "" {
		add("Secret", secret.Name)
	}
	if name := k.Spec.KubeConfig.GetConfigMap(); name != "" {
		add("ConfigMap", name)
	}

	return out
}

// choiceOf names the source of a Kustomization.
func choiceOf(k *v1beta1.Kustomization) catalog.ChartRef {
	key := k.GetSourceKey()
	return catalog.ChartRef{Kind: k.Spec.SourceRef.Kind, Namespace: key.Namespace, Name: key.Name}
}

// digestOf tells one set of inputs from another. What only says when things are done does not count.
func digestOf(k *v1beta1.Kustomization, in inputs) string {
	spec := k.Spec.DeepCopy()
	spec.Suspend = false
	spec.Interval = nil
	spec.RetryInterval = nil
	spec.Timeout = nil
	spec.DependsOn = nil
	spec.Sync = nil
	spec.Wait = false
	spec.HealthChecks = nil
	spec.HealthCheckExprs = nil
	spec.DeletionPolicy = ""
	text, err := json.Marshal(struct {
		Artifact  string
		Spec      *v1beta1.KustomizationSpec
		Variables map[string]string
		Keys      map[string][]byte
		User      string
		Remote    []byte
	}{in.artifact.Revision + " " + in.artifact.Digest, spec, in.variables, in.keys, in.access.User, in.access.Kubeconfig})
	if err != nil {
		return "" // it consists of texts
	}

	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// obstacleOf words why there is no artifact. One that is still being looked for is no obstacle.
func obstacleOf(err error) error {
	if catalog.IsPending(err) {
		return err
	}
	reason, final := reasonOf(err)
	if final {
		return refs.TerminalObstacle(reason, "%s", err)
	}
	return refs.RetryableObstacle(reason, "%s", err)
}

// reasonOf is the reason of an error, and whether the same input can never succeed.
func reasonOf(err error) (reason string, final bool) {
	reason = v1beta1.SourceNotReadyReason
	var known interface{ Reason() string }
	if errors.As(err, &known) {
		reason = known.Reason()
	}
	var retryable interface{ Retryable() bool }
	return reason, errors.As(err, &retryable) && !retryable.Retryable()
}
