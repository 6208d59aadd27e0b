package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
)

const (
	// maxSignatures is how many answers about signatures are kept.
	maxSignatures = 4096
	// maxAsked is how many signatures of a pipeline are checked in a row.
	maxAsked = 8
	// checkSignaturesEvery is how long an answer counts; unreachableFor is how long a check that failed is not repeated.
	checkSignaturesEvery = time.Hour
	unreachableFor       = time.Minute
)

// Signers says who has signed a chart.
type Signers interface {
	// Signed returns who has signed a chart by its digest; see catalog.Catalog.
	Signed(ctx context.Context, choice catalog.ChartRef, digest string, v *v1beta1.Verification) (by string, err error)
}

// signatures checks the signatures of candidates outside of the workers, and remembers the answers.
type signatures struct {
	signers Signers
	tasks   *loop.Tasks[[]signed]
	known   *lru.Cache // of promotion.Signature, by signatureKey
	now     func() time.Time
}

// signatureKey is one digest of a source and one policy. request is the last request to reconcile the pipeline: after
// a new request the controller checks all signatures again.
type signatureKey struct {
	choice          catalog.ChartRef
	digest, policy  string
	pipeline, asked string
}

// signed is an answer.
type signed struct {
	key    signatureKey
	answer promotion.Signature
}

func newSignatures(s Signers, tasks *loop.Tasks[[]signed], now func() time.Time) *signatures {
	return &signatures{signers: s, tasks: tasks, known: lru.New(maxSignatures), now: now}
}

func keyOf(p *v1beta1.ReleasePipeline, digest string, v *v1beta1.Verification) signatureKey {
	policy, _ := json.Marshal(v) // strings only
	return signatureKey{
		choice: catalog.ChoiceOfPipeline(p), digest: digest, policy: string(policy),
		pipeline: string(p.UID), asked: p.Status.LastHandledReconcileAt,
	}
}

// policyOf is what a stage wants of signatures; nil for nothing.
func policyOf(s *v1beta1.PipelineStage) *v1beta1.Verification {
	if s.Gates == nil {
		return nil
	}
	return s.Gates.Verify
}

// of is what is known of the candidates of a pipeline, by stage and digest.
func (s *signatures) of(p *v1beta1.ReleasePipeline) map[string]map[string]promotion.Signature {
	if results, ok := s.tasks.Take(client.ObjectKeyFromObject(p)); ok {
		for _, r := range results {
			s.known.Add(r.key, r.answer)
		}
	}

	found := map[string]map[string]promotion.Signature{}
	for i := range p.Spec.Stages {
		stage := &p.Spec.Stages[i]
		policy := policyOf(stage)
		if policy == nil {
			continue
		}

		found[stage.Name] = map[string]promotion.Signature{}
		for _, c := range p.Status.Candidates {
			if answer, ok := s.known.Get(keyOf(p, c.Digest, policy)); ok {
				found[stage.Name][c.Digest] = answer.(promotion.Signature)
			}
		}
	}

	return found
}

// ask has the signatures checked that decisions want to know about. The pipeline is reconciled when there are answers.
func (s *signatures) ask(p *v1beta1.ReleasePipeline, decisions []promotion.Decision) {
	type question struct {
		key    signatureKey
		policy *v1beta1.Verification
	}
	var questions []question
	for i, d := range decisions {
		for _, digest := range d.Unsigned {
			policy := policyOf(&p.Spec.Stages[i]).DeepCopy()
			questions = append(questions, question{keyOf(p, digest, policy), policy})
		}
	}

	if len(questions) == 0 {
		return
	}

	questions = questions[:min(len(questions), maxAsked)]
	s.tasks.Start(client.ObjectKeyFromObject(p), func(ctx context.Context) []signed {
		answers := make([]signed, 0, len(questions))
		for _, q := range questions {
			by, err := s.signers.Signed(ctx, q.key.choice, q.key.digest, q.policy)
			answers = append(answers, signed{q.key, s.answer(by, err)})
		}

		return answers
	}, func(err error) []signed {
		answers := make([]signed, 0, len(questions))
		for _, q := range questions {
			answers = append(answers, signed{q.key, s.answer("", err)})
		}

		return answers
	})
}

// answer is Fail only when no signature counts; all other failures are retried soon.
func (s *signatures) answer(by string, err error) promotion.Signature {
	now := s.now().Truncate(time.Second)
	later := now.Add(checkSignaturesEvery)
	var e *sources.Error
	switch {
	case err == nil:
		return promotion.Signature{Result: promotion.Pass, Message: "signed: " + by, Again: later}
	case errors.As(err, &e) && e.Reason() == v1beta1.VerificationFailedReason:
		return promotion.Signature{Result: promotion.Fail, Message: err.Error(), Again: later}
	}

	pause := unreachableFor
	if e != nil {
		pause = max(pause, e.RetryAfter())
	}

	return promotion.Signature{
		Result: promotion.Wait, Message: "its signatures could not be checked: " + err.Error(), Again: now.Add(pause),
	}
}

// forget drops what was found for a pipeline that is gone.
func (s *signatures) forget(key types.NamespacedName) { s.tasks.Take(key) }
