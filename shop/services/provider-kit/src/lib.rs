//! What the shop's services share to speak with WeChat and Alipay: HTTPS with a deadline, RSA signatures, Alipay's
//! one door.

pub mod alipay;
pub mod http;
pub mod keys;
