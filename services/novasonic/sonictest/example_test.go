package sonictest_test

import (
	"fmt"
	"strings"

	"github.com/parley-go/parley/services/novasonic/sonictest"
)

// A brain is a function of what the user said.
func ExampleBrainFunc() {
	brain := sonictest.BrainFunc(func(c *sonictest.Conversation, t sonictest.Turn) sonictest.Answer {
		switch {
		case t.Kind == sonictest.ToolResults:
			return sonictest.Say("It is " + t.Latest.Content)
		case strings.Contains(t.Text, "weather"):
			return sonictest.Call("get_weather", `{"city":"Rome"}`)
		default:
			return sonictest.Say("Hello.", "How can I help?")
		}
	})
	answer := brain.Answer(&sonictest.Conversation{}, sonictest.Turn{Kind: sonictest.Spoken, Text: "how is the weather"})
	fmt.Println(answer.Calls[0].Name, answer.Calls[0].Arguments)
	// Output: get_weather {"city":"Rome"}
}

// Any AWS SDK is pointed at the server with environment variables.
func ExampleServer_Environ() {
	srv := sonictest.NewServer(sonictest.Config{Region: "eu-north-1"})
	if err := srv.StartTLS("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	for _, v := range srv.Environ() {
		name, _, _ := strings.Cut(v, "=")
		fmt.Println(name)
	}
	// Output:
	// AWS_ENDPOINT_URL_BEDROCK_RUNTIME
	// AWS_REGION
	// AWS_ACCESS_KEY_ID
	// AWS_SECRET_ACCESS_KEY
	// AWS_SESSION_TOKEN
	// AWS_EC2_METADATA_DISABLED
	// AWS_CA_BUNDLE
	// NODE_EXTRA_CA_CERTS
}
