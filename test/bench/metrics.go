package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxMetrics bounds what is read of a page of metrics.
const maxMetrics = 64 << 20

func fetch(ctx context.Context, client *http.Client, url string) (_ string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxMetrics))
	return string(content), err
}

// sumSamples adds up all samples of a counter on a page of metrics.
func sumSamples(page, counter string) (int, error) {
	sum := 0.0
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, counter+"{") && !strings.HasPrefix(line, counter+" ") {
			continue
		}
		// Label values may have spaces, so the value is what comes after the last one.
		line = strings.TrimSpace(line)
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", counter, err)
		}
		sum += value
	}
	return int(sum), nil
}
