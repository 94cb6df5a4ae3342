//! Asks the platform how forms look, now and then.
//!
//! One question at a time, and never two close together: the platform counts the calls of all who
//! use a key. Each question comes again after `every` and a little more, so that many do not come
//! together; what fails comes later and later, and holds up nothing else for longer than that.

use super::{PlatformApi, Refusal};
use crate::duration;
use crate::form::{self, FormKey, Lesson};
use crate::host::{CalloutId, Host, Reply, random_number};
use crate::json::{Builder, Document};
use crate::store::MAX_LEARNED_FORMS;
use std::rc::Rc;
use std::time::Duration;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(250);

/// How often to see whether there is anything to ask, or whether others are to.
const LOOK: Duration = Duration::from_secs(1);

/// How many forms the platform lists at once, at most.
const PAGE: usize = 100;

/// How long to look no further when nothing is to be asked.
const IDLE: Duration = Duration::from_secs(3);

/// How long to wait after a failure: this, doubled each time, up to `every`.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    /// The names of the forms of an app, but for so many.
    Forms(Box<str>, usize),
    /// The fields of a form.
    Fields(FormKey),
}

impl Question {
    fn send(&self, host: &impl Host, api: &PlatformApi) -> Result<CalloutId, String> {
        let mut json = Builder::new();
        json.open(b'{').name("app_id");
        let tail = match self {
            Question::Forms(app_id, skipped) => {
                json.text(app_id).name("limit").number(PAGE as u64);
                json.name("skip").number(*skipped as u64);
                "list"
            }
            Question::Fields(form) => {
                json.text(&form.app_id).name("entry_id").text(&form.entry_id);
                "widget/list"
            }
        };
        json.close(b'}');
        let sent = api.call(host, tail, &json.finish());
        sent.map_err(|error| format!("{error} (cluster \"{}\")", api.cluster))
    }

    /// What is asked for another time: a list from its beginning.
    fn whole(self) -> Self {
        match self {
            Question::Forms(app_id, _) => Question::Forms(app_id, 0),
            fields => fields,
        }
    }

    /// What an answer teaches; `None` if it is no answer to this.
    fn lessons(&self, answer: &Document<'_>) -> Option<Vec<(FormKey, Lesson)>> {
        let root = answer.root();
        match self {
            Question::Forms(..) => {
                root.get("forms")?;
                Some(form::names(root))
            }
            Question::Fields(form) => {
                Some(vec![(form.clone(), Lesson::Widgets(form::widgets(root)?))])
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Question::Forms(app_id, _) => format!("the forms of app {app_id}"),
            Question::Fields(form) => format!("the fields of form {}", form.entry_id),
        }
    }
}

/// What came of a question.
#[derive(Debug)]
pub struct Polled {
    /// What the platform says of forms; nothing if it did not answer.
    pub lessons: Vec<(FormKey, Lesson)>,
    /// When it was asked, by uptime.
    pub began: Duration,
    /// Whether it answered.
    pub is_answered: bool,
}

/// What was asked before.
#[derive(Debug)]
struct Asked {
    question: Question,
    /// When it is to be asked again.
    due: Duration,
    /// In a row.
    failures: u32,
}

/// One who asks.
#[derive(Debug)]
pub struct Poller {
    api: Rc<PlatformApi>,
    /// The longest answer that is read, in bytes.
    most: usize,
    asked: Option<(CalloutId, Question, Duration)>,
    /// When to go on.
    due: Duration,
    /// Until when there is nothing to ask.
    idle_until: Duration,
    /// What goes on where the last answer ended.
    next: Option<Question>,
    /// What was asked before.
    again: Vec<Asked>,
    /// Of all questions, in a row.
    failures: u32,
}

impl Poller {
    /// One that has asked nothing yet.
    pub fn new(api: Rc<PlatformApi>, most: usize) -> Self {
        let again = Vec::new();
        Poller {
            api,
            most,
            asked: None,
            due: Duration::ZERO,
            idle_until: Duration::ZERO,
            next: None,
            again,
            failures: 0,
        }
    }

    /// When to call [`Poller::pump`] again; `None` while an answer is waited for.
    pub fn due(&self) -> Option<Duration> {
        self.asked.is_none().then_some(self.due)
    }

    /// Asks what is due of these forms and their apps, if `may_ask` says that it is this one who
    /// asks. False if it did not get out.
    pub fn pump<'f, H: Host>(
        &mut self,
        host: &H,
        forms: impl Iterator<Item = &'f FormKey>,
        may_ask: impl FnOnce() -> bool,
    ) -> bool {
        let now = host.uptime();
        if self.asked.is_some() || now < self.due {
            return true;
        }
        self.due = now.saturating_add(LOOK);
        if !may_ask() || now < self.idle_until {
            return true;
        }
        if let Some(question) = self.next.take() {
            return self.ask(host, question);
        }
        let mut wanted: Vec<Question> = Vec::new();
        for form in forms {
            let names = Question::Forms(form.app_id.clone(), 0);
            if !wanted.contains(&names) {
                wanted.insert(0, names);
            }
            wanted.push(Question::Fields(form.clone()));
        }
        self.again.retain(|asked| wanted.contains(&asked.question));
        let due = |question: &&Question| {
            let asked = self.again.iter().find(|asked| asked.question == **question);
            asked.map_or(Duration::ZERO, |asked| asked.due)
        };
        // The one that has waited longest, so that none that fails comes before all others.
        let question = wanted.iter().min_by_key(due).filter(|question| due(question) <= now);
        let Some(question) = question else {
            // Forms may come to be known meanwhile.
            self.idle_until = now.saturating_add(IDLE);
            return true;
        };
        self.ask(host, question.clone())
    }

    /// False if the question did not get out.
    fn ask(&mut self, host: &impl Host, question: Question) -> bool {
        match question.send(host, &self.api) {
            Ok(id) => self.asked = Some((id, question, host.uptime())),
            Err(words) => self.failed(host, question, &words, None),
        }
        self.asked.is_some()
    }

    /// Hears a reply; `None` if it is for somebody else. To be called while the host hands it over.
    pub fn hear(&mut self, host: &impl Host, id: CalloutId, reply: &Reply) -> Option<Polled> {
        let (_, question, began) = self.asked.take_if(|(asked, ..)| *asked == id)?;
        let now = host.uptime();
        self.due = now.saturating_add(PAUSE);
        let mut polled = Polled { lessons: Vec::new(), began, is_answered: false };
        let Reply::Answer(answer) = reply else {
            self.failed(host, question, "the answer broke off", None);
            return Some(polled);
        };
        let body = host.reply_body(self.most);
        let document = Document::parse(&body);
        let lessons = document.as_ref().ok().and_then(|answer| question.lessons(answer));
        let is_success = matches!(answer.status, 200..=299);
        match lessons.filter(|_| is_success) {
            Some(lessons) => {
                if self.failures > 0 {
                    log::info!("the platform's API answers again");
                }
                self.failures = 0;
                let forms = document.as_ref().ok().and_then(|answer| answer.root().get("forms"));
                let listed = forms.map_or(0, |forms| forms.items().count());
                match question {
                    // Forms without a name count, too. Not every API looks at `skip`.
                    Question::Forms(app_id, skipped)
                        if listed >= PAGE && skipped.saturating_add(PAGE) < MAX_LEARNED_FORMS =>
                    {
                        self.next = Some(Question::Forms(app_id, skipped.saturating_add(PAGE)));
                    }
                    question => self.postpone(host, question),
                }
                polled.lessons = lessons;
                polled.is_answered = true;
            }
            None => {
                let said = String::from_utf8_lossy(&answer.excerpt);
                let said: String = said.chars().take(200).collect();
                let is_cut = is_success && body.len() >= self.most;
                let words = match is_cut {
                    true => {
                        format!("the answer is larger than limits.max_body_bytes ({})", self.most)
                    }
                    false => format!("HTTP {}: {said}", answer.status),
                };
                if !is_cut && Refusal::of(answer.status, &body) == Refusal::NotNow {
                    let asked = answer.retry_after.as_deref();
                    self.failed(host, question, &words, asked);
                } else {
                    log::error!("the platform does not tell {}: {words}", question.shown());
                    self.postpone(host, question);
                }
            }
        }
        Some(polled)
    }

    /// The question comes again at its time.
    fn postpone(&mut self, host: &impl Host, question: Question) {
        let every = self.api.every;
        let more = jitter(host, every.checked_div(10).unwrap_or_default());
        let due = host.uptime().saturating_add(every).saturating_add(more);
        self.ask_again(Asked { question: question.whole(), due, failures: 0 });
    }

    fn ask_again(&mut self, asked: Asked) {
        self.again.retain(|known| known.question != asked.question);
        self.again.push(asked);
    }

    /// Nothing is asked for a while, and this for longer if it failed before and others did not.
    fn failed(
        &mut self,
        host: &impl Host,
        question: Question,
        words: &str,
        retry_after: Option<&str>,
    ) {
        let shown = question.shown();
        let question = question.whole();
        let before = self.again.iter().find(|asked| asked.question == question);
        let before = before.map_or(0, |asked| asked.failures);
        let (every, now) = (self.api.every, host.uptime());
        let pause = |failures| FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures)).min(every);
        let of_all = pause(self.failures);
        let asked = retry_after.and_then(|text| crate::delivery::retry_after(text, host.now()));
        let of_all = of_all.saturating_add(jitter(host, of_all)).max(asked.unwrap_or_default());
        self.due = now.saturating_add(of_all);
        let due = self.due.max(now.saturating_add(pause(before)));
        self.failures = self.failures.saturating_add(1);
        let failures = before.saturating_add(1);
        let in_a_row = self.failures.max(failures);
        if in_a_row.is_power_of_two() {
            log::error!(
                "the platform does not tell {shown} ({in_a_row} failures in a row): {words}; trying again in {}",
                duration::shown(due.saturating_sub(now))
            );
        }
        self.ask_again(Asked { question, due, failures });
    }
}

/// Up to so much.
fn jitter(host: &impl Host, most: Duration) -> Duration {
    let millis = random_number(host).checked_rem(duration::millis(most)).unwrap_or(0);
    Duration::from_millis(millis)
}
