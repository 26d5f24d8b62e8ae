package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// This file holds the verbs of sources that try one out (sample) and that replace its secrets (rotate-secret,
// drop-secret).

func newSourcesSampleCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "sample NAME [--type TYPE]",
		Short: "Send a source what its provider would send",
		Long: `Send a source what its provider would send, signed with the secret of the source, and print what the
source made of it. The event is stored, with the header Bellhop-Sample, and delivered like any other.

Without --type the first sample of the provider is sent. 'bellhop providers PROVIDER' lists the
samples; the type handshake is the handshake that the provider makes. The command fails if the source
refuses the request. Secrets are shown as an ellipsis.

Of some providers, such as sns, no sample can be sent: nobody else can sign their requests.`,
		Example: `  bellhop sources sample media
  bellhop sources sample media --type ams.TaskProgress
  bellhop sources sample calls --type handshake`,
		Args: oneArgument("source"),
	}
	var sample client.NewSample
	c.Flags().StringVar(&sample.Type, "type", "", "type of the sample, or handshake (default: the provider's first)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			s, err := api.SampleSource(c.Context(), args[0], sample)
			if err != nil {
				return err
			}
			return showSample(e, conn, s)
		})
	}
	return c
}

// showSample prints what a source made of a sample. The command fails if it was refused.
func showSample(e *env, conn *connection, s client.Sample) error {
	refused := s.Reason != "" || s.Status > 299 || s.Handshake == "not_agreed"
	if conn.json {
		if err := printData(e, s); err != nil {
			return err
		}
	} else {
		took := strconv.FormatFloat(s.DurationMS, 'f', -1, 64) + " ms"
		fields := []field{{"status", strconv.Itoa(s.Status)}, {"took", took},
			{"events", strings.Join(s.EventIDs, " ")}, {"request", s.RequestID},
			{"handshake", strings.ReplaceAll(s.Handshake, "_", " ")}, {"reason", s.Reason},
			{"detail", s.Detail}, {"cause", s.Cause}, {"advice", s.Advice},
			{"answer", cmp.Or(strings.TrimSpace(s.Body), s.BodyBase64)}}
		if err := printFields(e, fields); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "\n%s %s\n", clean(s.Request.Method), clean(s.Request.URL))
		for _, name := range slices.Sorted(maps.Keys(s.Request.Headers)) {
			for _, value := range s.Request.Headers[name] {
				fmt.Fprintf(e.stdout, "%s: %s\n", clean(name), clean(value))
			}
		}
		fmt.Fprintf(e.stdout, "\n%s\n", cleanLines(s.Request.Body+s.Request.BodyBase64))
	}
	if refused {
		return errReported
	}
	return nil
}

// samplesOf returns the samples of a provider as the API shows them.
func samplesOf(p provider.Provider) []client.SampleType {
	list := []client.SampleType{}
	for _, s := range provider.SamplesOf(p) {
		list = append(list, client.SampleType{Type: s.Type, Title: s.Title})
	}
	if provider.MakesHandshake(p) {
		list = append(list, client.SampleType{Type: provider.SampleHandshake, Title: "The handshake"})
	}
	return list
}

func newSourcesRotateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-secret NAME [--secret S]",
		Short: "Accept a new secret, and the old one too",
		Long: `Accept requests that prove themselves by a new secret, and by the old one too. Give the new secret to
the provider; once it uses that, end the old one with 'bellhop sources drop-secret'. A secret that is
older than both is accepted no more.

Without --secret a secret is created and printed, only this once. That is possible where both sides
agree on a secret; where the provider makes it, give it with --secret.`,
		Example: `  bellhop sources rotate-secret media
  bellhop sources rotate-secret pay --secret @secret.txt`,
		Args: oneArgument("source"),
	}
	secret := c.Flags().String("secret", "", "the new secret: text, @FILE or env:NAME (default: a random one)")
	setting, etag := secretSettingFlag(c), ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		given, err := e.readText(*secret)
		if err != nil {
			return fmt.Errorf("--secret: %w", err)
		}
		return conn.call(func(api *client.Client) error {
			r, err := api.IfMatch(*etag).RotateSourceSecret(c.Context(), args[0],
				client.SourceRotation{Secret: given, Setting: *setting})
			if err != nil {
				return err
			}
			e.warn(r.Warnings)
			if conn.json {
				return printData(e, r)
			}
			fmt.Fprintf(e.stderr, "source %s accepts a new %s, and the old one too; end that with 'bellhop sources "+
				"drop-secret'\n", clean(r.Name), clean(r.Setting))
			if r.Secret == "" {
				return nil
			}
			fmt.Fprintln(e.stderr, "it is shown only now: give it to the provider")
			_, err = fmt.Fprintln(e.stdout, clean(r.Secret))
			return err
		})
	}
	return c
}

// secretSettingFlag adds the flag that names the setting of a secret.
func secretSettingFlag(c *cobra.Command) *string {
	return c.Flags().String("setting", "",
		"the setting that holds the secret (default: the only one, or the main one)")
}

func newSourcesDropCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "drop-secret NAME",
		Short: "Accept the old secret of a source no more",
		Long: `Accept the old secret of a source no more: only the newest one is left. Requests that the provider
still signs with the old one are refused from then on.`,
		Example: `  bellhop sources drop-secret media`,
		Args:    oneArgument("source"),
	}
	setting, etag := secretSettingFlag(c), ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			r, err := api.IfMatch(*etag).DropOldSecret(c.Context(), args[0], client.DroppedSecret{Setting: *setting})
			if err != nil {
				return err
			}
			e.warn(r.Warnings)
			return showSource(e, conn, r.Source)
		})
	}
	return c
}
