package bedrock

import (
	"net/http"

	"github.com/parley-go/parley/frames"
)

// entry is one of the service's errors. Texts are matched as parts, since the
// service puts the request's id and an internal code before most of them.
type entry struct {
	code    string  // the exception's name; empty for any
	text    string  // a part of the message, in small letters; empty for any
	verdict Verdict // what it means
}

// catalogue lists the errors of Nova Sonic in the order in which they are
// tried: particular texts first, then exceptions as such. Exceptions and their
// members are in Bedrock's API reference; the texts were recorded from the
// service by those who met them. It is never written to.
var catalogue = []entry{
	// How streams end that have done nothing wrong.
	{"", "timed out waiting for audio bytes", Verdict{frames.ErrorConnectivity, ReasonIdle, Retry, idleHint}},
	{"", "timed out waiting for input events", Verdict{frames.ErrorConnectivity, ReasonIdle, Retry, idleHint}},
	{"", "internalerrorcode=532", Verdict{frames.ErrorConnectivity, ReasonIdle, Retry, idleHint}},
	{"", "internalerrorcode=531", Verdict{frames.ErrorServer, ReasonServerReset, Retry, ""}},
	{"", "rst_stream closed stream", Verdict{frames.ErrorServer, ReasonServerReset, Retry, ""}},
	// A ValidationException, whatever its name says.
	{"", "system instability detected", Verdict{frames.ErrorServer, ReasonServerReset, Retry, ""}},
	{"", "the system encountered an unexpected error", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"", "internalerrorcode=5", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},

	// History.
	{"", "chat history is over max limit", Verdict{frames.ErrorInvalidRequest, ReasonHistory, FixAndRetry, "send less history: at most 50 KB a message and 200 KB in all"}},
	{"", "chat history should be sent completely", Verdict{frames.ErrorInvalidRequest, ReasonHistory, FixAndRetry, "end every block of text before sending audio"}},
	{"", "blocked by our content filters", Verdict{frames.ErrorInvalidRequest, ReasonContent, FixAndRetry, "reword the instructions, or leave out the last turns"}},

	// Tools and voice.
	{"", "tool response parsing error", Verdict{frames.ErrorInvalidRequest, ReasonToolResult, FixAndRetry, "a tool's result has to be a JSON object"}},
	{"", "tool result media type", Verdict{frames.ErrorInvalidRequest, ReasonToolResult, FixAndRetry, "a tool's result has to be text/plain"}},
	{"", "#/toolconfig", Verdict{frames.ErrorInvalidRequest, ReasonTools, GiveUp, "tools are named with letters, digits, _ and -, and described with a JSON Schema object"}},
	{"", "received invalid id", Verdict{frames.ErrorInvalidRequest, ReasonVoice, GiveUp, "choose a voice that the model has, in small letters"}},

	// The order of events.
	{"", "duplicate system content", protocolError},
	{"", "duplicate prompt name", protocolError},
	{"", "no open content found", protocolError},
	{"", "cannot end content", protocolError},
	{"", "all contents must be closed", protocolError},
	{"", "must have at least one audio content", protocolError},
	{"", "no prompts were received", protocolError},
	{"", "unable to parse input chunk", Verdict{frames.ErrorInvalidRequest, ReasonProtocol, GiveUp, "leave ToolChoice unset, if it is not: it has been blamed for this, as has a tool's schema that is not a string of JSON"}},
	// Said of many things, a late tool result and a restless reconnect among
	// them, so it deserves one more try with less in it.
	{"", "invalid input request", Verdict{frames.ErrorInvalidRequest, ReasonProtocol, FixAndRetry, "the service does not say what it minds: tool schemas, tool results and history are the usual suspects"}},

	// Credentials, which are refused before the stream opens.
	{"", "credential should be scoped to a valid region", Verdict{frames.ErrorAuthentication, ReasonEndpoint, GiveUp, "set AWS_REGION to the region that the endpoint is in: requests are signed for it"}},
	{"", "security token included in the request is expired", expired},
	{"ExpiredTokenException", "", expired},
	{"ExpiredToken", "", expired},
	{"", "signature expired", skewed},
	{"", "signature not yet current", skewed},
	{"RequestTimeTooSkewed", "", skewed},
	{"RequestExpired", "", skewed},
	{"UnrecognizedClientException", "", badCredentials},
	{"InvalidClientTokenId", "", badCredentials},
	{"InvalidSignatureException", "", badCredentials},
	{"SignatureDoesNotMatch", "", badCredentials},
	{"IncompleteSignature", "", badCredentials},
	{"MissingAuthenticationToken", "", badCredentials},
	{"MissingAuthenticationTokenException", "", badCredentials},
	{"AccessDeniedException", "", Verdict{frames.ErrorAuthentication, ReasonAccess, GiveUp, "the credentials need bedrock:InvokeModel on the model, and the account access to it in this region"}},
	{"OptInRequired", "", Verdict{frames.ErrorAuthentication, ReasonAccess, GiveUp, "enable the region, or access to the model, for the account"}},

	// The model and the place.
	{"", "model identifier is invalid", wrongModel},
	{"ResourceNotFoundException", "", wrongModel},
	{"UnknownOperationException", "", Verdict{frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "check that the endpoint is that of Bedrock Runtime (bedrock-runtime.REGION.amazonaws.com)"}},

	// The service.
	{"ModelTimeoutException", "", Verdict{frames.ErrorServer, ReasonLifetime, Retry, ""}},
	{"ThrottlingException", "tokens per day", Verdict{frames.ErrorQuota, ReasonQuota, GiveUp, "wait until tomorrow, or ask for a higher quota"}},
	{"ThrottlingException", "", Verdict{frames.ErrorRateLimit, ReasonThrottled, Retry, "if it goes on, use fewer streams at once (an account has about 20 in a region) or ask for a higher quota"}},
	{"TooManyRequestsException", "", Verdict{frames.ErrorRateLimit, ReasonThrottled, Retry, ""}},
	{"ServiceQuotaExceededException", "", Verdict{frames.ErrorQuota, ReasonQuota, FixAndRetry, "close other streams (an account has about 20 in a region) or ask for a higher quota"}},
	{"ModelNotReadyException", "", Verdict{frames.ErrorServer, ReasonNotReady, Retry, ""}},
	{"ModelErrorException", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"ModelStreamErrorException", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"InternalServerException", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"InternalFailure", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"ServiceUnavailableException", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"ServiceUnavailable", "", Verdict{frames.ErrorServer, ReasonServer, Retry, ""}},
	{"ValidationException", "", protocolError},
}

// cutHint is for a connection that was closed in the middle of a word, which the
// service does not do.
const cutHint = "a proxy or a firewall has cut the connection: check HTTPS_PROXY and the endpoint's URL, or name the endpoint's host in NO_PROXY"

const idleHint = "feed the stream, with silence while the microphone is muted: it ends 55 s after the last audio"

var (
	protocolError  = Verdict{frames.ErrorInvalidRequest, ReasonProtocol, GiveUp, ""}
	expired        = Verdict{frames.ErrorAuthentication, ReasonCredentialsExpired, FixAndRetry, "renew the credentials, for instance with aws sso login"}
	skewed         = Verdict{frames.ErrorAuthentication, ReasonClock, FixAndRetry, "set this machine's clock: the service allows five minutes"}
	badCredentials = Verdict{frames.ErrorAuthentication, ReasonCredentials, GiveUp, "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile, and that they belong to this partition"}
	proxyUser      = Verdict{frames.ErrorConnectivity, ReasonEndpoint, GiveUp, "give the proxy's user and password in HTTPS_PROXY, as http://USER:PASSWORD@HOST:PORT"}
	wrongModel     = Verdict{frames.ErrorInvalidRequest, ReasonModel, GiveUp, "check the model id, and that the region has the model: Nova Sonic is in us-east-1, us-west-2, eu-north-1 and ap-northeast-1"}
)

// statuses are answers that say nothing but their status.
var statuses = []struct {
	status  int
	verdict Verdict
}{
	{http.StatusUnauthorized, badCredentials},
	{http.StatusForbidden, Verdict{frames.ErrorAuthentication, ReasonAccess, GiveUp, "the credentials need bedrock:InvokeModel on the model; a proxy may also have refused"}},
	{http.StatusNotFound, Verdict{frames.ErrorInvalidRequest, ReasonEndpoint, GiveUp, "check the model id, the region and the endpoint's URL"}},
	{http.StatusProxyAuthRequired, proxyUser},
	{http.StatusRequestTimeout, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
	{http.StatusMisdirectedRequest, Verdict{frames.ErrorConnectivity, ReasonConnection, Retry, ""}},
	{http.StatusUpgradeRequired, notHTTP2},
	{http.StatusTooManyRequests, Verdict{frames.ErrorRateLimit, ReasonThrottled, Retry, ""}},
	{http.StatusHTTPVersionNotSupported, notHTTP2},
}
