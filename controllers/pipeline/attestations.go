package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
)

const (
	// lookAgain is when a registry is asked again for attestations that it did not have.
	lookAgain = 5 * time.Minute
	// lookTimeout ends one look at the attestations for a stage.
	lookTimeout = 2 * time.Minute
)

// Attester looks for attestations.
type Attester interface {
	// Attested waits for the registry; see catalog.Catalog.
	Attested(
		ctx context.Context, namespace, field string, from v1beta1.OCIRepositorySpec,
		required []v1beta1.RequiredAttestation, digest string,
	) (by string, err error)
}

// attestations remembers what registries said of the attestations of candidates. It is lost with the process: then they
// are asked again.
type attestations struct {
	attester Attester
	tasks    *loop.Tasks[knownAttestations]
	now      func() time.Time

	mu    sync.Mutex
	known map[types.NamespacedName]knownAttestations
}

// knownAttestations are the answers for one stage, by digest, to what its gates required.
type knownAttestations struct {
	required [sha256.Size]byte
	answers  map[string]promotion.Attestation
}

func newAttestations(
	ctx context.Context, attester Attester, wake func(types.NamespacedName), now func() time.Time,
) *attestations {
	ofPipeline := func(key types.NamespacedName) {
		key.Name, _, _ = strings.Cut(key.Name, "/")
		wake(key)
	}
	return &attestations{
		attester: attester, now: now, known: map[types.NamespacedName]knownAttestations{},
		tasks: loop.NewTasks[knownAttestations](ctx, ofPipeline, now).
			Within(fair.New(copiesAtOnce, copiesPerNamespace)),
	}
}

// attest adds to the facts what is known of the attestations of candidates, and asks the registry for the rest.
func (h *handler) attest(ctx context.Context, p *v1beta1.ReleasePipeline, f *promotion.Facts, now time.Time) error {
	for i := range p.Spec.Stages {
		gates := p.Spec.Stages[i].Gates
		if gates == nil || len(gates.Attestations) == 0 {
			continue
		}

		stage := &f.Stages[i]
		key := copyKey(p, stage.Name)
		answers := h.attestations.of(key, gates.Attestations)
		stage.Attestations = maps.Clone(answers)
		var open []string
		for _, c := range stage.Newer(f.Candidates) {
			if a, known := answers[c.ID.Chart]; !known || !a.Found && !now.Before(a.Until) {
				open = append(open, c.ID.Chart)
				if known { // the next answer wakes the pipeline
					stage.Attestations[c.ID.Chart] = promotion.Attestation{Message: a.Message}
				}
			}
		}

		if len(open) == 0 {
			continue
		}

		if kind, err := h.outletKind(ctx, p); err == nil && kind == v1beta1.HelmChartKind {
			return sources.Stall(v1beta1.UnsupportedReason, nil,
				"stage %s wants attestations, and %s %s/%s is no registry; only charts of an OCI registry have them",
				stage.Name, p.Spec.Subject.SourceRef.Kind, p.Namespace, p.Spec.Subject.SourceRef.Name)
		}

		slices.Sort(open) // candidates with other shared values have the same chart
		open = slices.Compact(open)
		base, err := h.base(ctx, p)
		switch {
		case apierrors.IsNotFound(err):
			continue // the subject says it
		case err != nil:
			return fmt.Errorf("reading the source of the subject: %w", err)
		}

		field := fmt.Sprintf("stages[%s].gates.attestations[].secretRef", stage.Name)
		h.attestations.ask(key, field, *base, slices.Clone(gates.Attestations), open)
	}
	return nil
}

// of takes the answers that have come for a stage. Those to other requirements than the present ones do not count.
func (a *attestations) of(
	key types.NamespacedName, required []v1beta1.RequiredAttestation,
) map[string]promotion.Attestation {
	sum := sumOf(required)
	a.mu.Lock()
	defer a.mu.Unlock()
	had := a.known[key]
	answers := map[string]promotion.Attestation{}
	if had.required == sum {
		answers = had.answers
	}

	next := maps.Clone(answers)
	if came, ok := a.tasks.Take(key); ok && came.required == sum {
		maps.Copy(next, came.answers)
	}

	a.known[key] = knownAttestations{required: sum, answers: next}
	return next
}

// sumOf identifies what gates require.
func sumOf(required []v1beta1.RequiredAttestation) [sha256.Size]byte {
	text, err := json.Marshal(required)
	if err != nil {
		text = []byte(err.Error()) // a list of structs of strings; it does not happen
	}
	return sha256.Sum256(text)
}

// ask looks for the attestations of candidates, unless that is under way for the stage.
func (a *attestations) ask(
	key types.NamespacedName, field string, from v1beta1.OCIRepositorySpec, required []v1beta1.RequiredAttestation,
	digests []string,
) {
	sum := sumOf(required)
	a.tasks.Start(key, func(ctx context.Context) knownAttestations {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		answers := map[string]promotion.Attestation{}
		for _, digest := range digests {
			by, err := a.attester.Attested(ctx, key.Namespace, field, from, required, digest)
			answers[digest] = answerOf(by, err, a.now())
		}

		return knownAttestations{required: sum, answers: answers}
	}, func(err error) knownAttestations {
		answers := map[string]promotion.Attestation{}
		for _, digest := range digests {
			answers[digest] = answerOf("", err, a.now())
		}

		return knownAttestations{required: sum, answers: answers}
	})
}

// answerOf is what an answer of a registry means for the gate.
func answerOf(by string, err error, now time.Time) promotion.Attestation {
	if err == nil {
		return promotion.Attestation{Found: true, Message: short(by, maxReleaseMessage)}
	}
	pause := lookAgain
	var e *sources.Error
	if errors.As(err, &e) {
		pause = max(pause, e.RetryAfter())
	}
	return promotion.Attestation{Message: short(err.Error(), maxMessage), Until: now.Add(pause).Truncate(time.Second)}
}

// forget drops what is known for a pipeline that is gone.
func (a *attestations) forget(pipeline types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.known {
		if name, _, _ := strings.Cut(key.Name, "/"); key.Namespace == pipeline.Namespace && name == pipeline.Name {
			delete(a.known, key)
			a.tasks.Take(key)
		}
	}
}
